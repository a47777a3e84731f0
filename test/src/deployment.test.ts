import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { GatewayEnv, JOBS, WorkerEnv } from '@clove/contracts';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { dashboard, expressions, rules } from './support/monitoring.js';

// No container engine is needed: these hold the files against each other and against the code that they start.
const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

type ComposeService = {
  image?: string;
  ports?: string[];
  secrets?: string[];
  security_opt?: string[];
  tmpfs?: string[];
  stop_grace_period?: string;
  deploy?: { replicas?: number; resources?: { limits?: { memory?: string } } };
  build?: { target: string };
  environment: Record<string, string>;
  healthcheck?: unknown;
  read_only?: boolean;
  cap_drop?: string[];
  volumes: string[];
  profiles?: string[];
};
const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, ComposeService>;
  volumes: Record<string, unknown>;
  secrets: Record<string, { file?: string }>;
};
const ours = Object.entries(compose.services).filter(([, service]) => service.build !== undefined);

type Probe = { httpGet: { path: string; port: string } };
type Container = {
  name: string;
  image: string;
  env?: { name: string; value?: string; valueFrom?: object }[];
  ports: { name: string; containerPort: number }[];
  startupProbe: Probe;
  livenessProbe: Probe;
  readinessProbe: Probe;
  resources: { requests: Record<string, string>; limits: Record<string, string> };
  securityContext: {
    readOnlyRootFilesystem: boolean;
    allowPrivilegeEscalation: boolean;
    capabilities: { drop: string[] };
  };
  volumeMounts: { name: string; mountPath: string }[];
};
type Manifest = {
  kind: string;
  metadata: { name: string };
  spec: {
    template: {
      metadata: { annotations: Record<string, string> };
      spec: { containers: Container[]; volumes: { name: string }[]; securityContext: { runAsNonRoot: boolean } };
    };
    scaleTargetRef: { name: string };
    triggers: { metadata: { query: string } }[];
  };
};
const folder = 'deploy/kubernetes';
const kustomization = parse(read(`${folder}/kustomization.yaml`)) as {
  resources: string[];
  images: { name: string }[];
};
const manifests = kustomization.resources.flatMap((file) =>
  parseAllDocuments(read(`${folder}/${file}`)).map((document) => document.toJS() as Manifest),
);
const deployments = manifests.filter(({ kind }) => kind === 'Deployment');

/** The variable that `NAME_FILE` gives the file of. */
const withoutFile = (name: string): string => name.replace(/_FILE$/, '');

/** Stage name → its lines, and what it builds on. */
const stages = new Map(
  read('Dockerfile')
    .split(/^(?=FROM )/m)
    .filter((text) => text.startsWith('FROM '))
    .map((text) => {
      const [, from, name] = /^FROM (\S+) AS (\S+)/.exec(text) ?? [];
      return [name ?? '', { from: from ?? '', text }];
    }),
);
/** A stage with everything below it, nearest last. */
const chain = (name: string): string => {
  const stage = stages.get(name);
  return stage === undefined ? '' : chain(stage.from) + stage.text;
};

describe('docker-compose.yml', () => {
  test('starts every service of the project from a target of the Dockerfile', () => {
    const services = readdirSync(path.join(root, 'services')).filter((name) => name !== 'cli' && name !== 'web');
    expect(ours.map(([name]) => name)).toEqual(expect.arrayContaining(services));
    for (const [, { build }] of ours) expect(stages.has(build!.target), build!.target).toBe(true);
  });

  test.each(ours)('%s is given only variables that it reads, and none that it needs is left out', (name, service) => {
    const schema = name === 'gateway' ? GatewayEnv : WorkerEnv;
    const given = Object.entries(service.environment);
    expect(Object.keys(schema.shape)).toEqual(expect.arrayContaining(given.map(([key]) => withoutFile(key))));
    for (const [key, value] of given.filter(([one]) => one.endsWith('_FILE'))) {
      expect([key, value]).toEqual([key, `/run/secrets/${service.secrets![0]}`]);
    }
    const image = Object.fromEntries(
      [...chain(service.build!.target).matchAll(/^ENV (.*)$/gm)].flatMap(([, line]) =>
        line!.split(' ').map((pair) => pair.split('=') as [string, string]),
      ),
    );
    const env = { ...image, ...service.environment };
    const filled = Object.fromEntries(
      Object.entries(env).map(([key, value]) => [
        withoutFile(key),
        value.replace(/\$\{\w+:-([^}]*)\}/g, '$1').replace(/\$\{[^}]*\}/g, 'x1'),
      ]),
    );
    expect(schema.safeParse(filled).error).toBeUndefined();
  });

  test.each(ours)('%s runs as an ordinary user on a read-only root, bounded, with a health check', (name, service) => {
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.healthcheck).toBeDefined();
    expect(
      chain(service.build!.target)
        .match(/^USER (\w+)$/gm)
        ?.at(-1),
    ).toBe('USER node');
    expect(service.volumes).toContain('artifacts:/artifacts');
    expect(service.security_opt).toContain('no-new-privileges:true');
    // all that is written beside the artifact store
    expect(service.tmpfs).toEqual(['/tmp']);
    expect(service.volumes.slice(1)).toEqual(name === 'gateway' ? [] : ['/scratch']);
    // longer than a service takes to stop in order, see onShutdown
    expect(Number.parseInt(service.stop_grace_period!, 10)).toBeGreaterThan(30);
    expect(service.deploy!.resources!.limits!.memory).toMatch(/^\d+g$/);
  });

  test('ports are open to this machine alone, and what is optional is in a profile', () => {
    for (const { ports = [] } of Object.values(compose.services)) {
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    }
    const profiles = Object.fromEntries(
      Object.entries(compose.services).flatMap(([name, service]) => (service.profiles ?? []).map((one) => [name, one])),
    );
    expect(profiles).toEqual({ 'trainer-gpu': 'gpu', prometheus: 'monitoring', grafana: 'monitoring' });
    expect(compose.services['scorer']!.deploy!.replicas).toBeGreaterThan(1);
  });

  test('every volume and secret that is mounted is declared, and every file of the checkout is there', () => {
    const mounts = Object.values(compose.services).flatMap(({ volumes = [] }) => volumes);
    const sources = mounts.map((mount) => mount.split(':')[0]!);
    const files = sources.filter((source) => source.startsWith('./'));
    expect(files.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
    const volumes = sources.filter((source) => !/^[./]/.test(source));
    expect(volumes.filter((volume) => !(volume in compose.volumes))).toEqual([]);
    const named = Object.values(compose.services).flatMap(({ secrets = [] }) => secrets);
    expect(named.toSorted()).toEqual(Object.keys(compose.secrets).toSorted());
    for (const ignored of ['.gitignore', '.dockerignore']) expect(read(ignored)).toMatch(/^secrets\/$/m);
  });

  test('holds no secret of its own: each password must be given', () => {
    const passwords = read('docker-compose.yml').match(/\$\{\w*PASSWORD[^}]*\}/g) ?? [];
    expect(passwords.length).toBeGreaterThan(3);
    for (const password of passwords) expect(password).toMatch(/:\?/);
    for (const { file } of Object.values(compose.secrets)) expect(file).toMatch(/^\.\/secrets\//);
  });

  test('names a version of every image', () => {
    const images = [
      ...Object.values(compose.services).flatMap(({ image }) => image ?? []),
      ...[...stages.values()].map(({ from }) => from).filter((from) => !stages.has(from)),
    ];
    for (const image of images) expect(image).toMatch(/:v?\d/);
  });

  test('keeps the queue through a restart: Redis evicts nothing and writes its log', () => {
    expect(read('docker-compose.yml')).toMatch(/--maxmemory-policy noeviction --appendonly yes/);
  });
});

describe('Dockerfile', () => {
  test.each(ours)('the target of %s starts a process entry that exists', (_name, service) => {
    const command = /^CMD (\[.*\])$/m.exec(chain(service.build!.target).split('FROM ').at(-1)!)?.[1];
    const [program, script] = JSON.parse(command ?? '[]') as string[];
    expect(program).toBe('node');
    expect(read(script!.replace('/dist/', '/src/').replace(/js$/, 'ts'))).toMatch(/^\/\*\* Process entry|main\(\)/m);
  });
});

describe('deploy/kubernetes', () => {
  test('deploys the gateway and every worker, each with an image that the kustomization versions', () => {
    expect(deployments.map(({ metadata }) => metadata.name).toSorted()).toEqual([
      'gateway',
      'ingester',
      'scorer',
      'trainer',
    ]);
    const images = deployments.map(({ spec }) => spec.template.spec.containers[0]!.image);
    expect(kustomization.images.map(({ name }) => name).toSorted()).toEqual(images.toSorted());
  });

  test.each(deployments.map((deployment) => [deployment.metadata.name, deployment] as const))(
    '%s is probed on a port that it opens, bounded, unprivileged, and mounts what it declares',
    (name, { spec }) => {
      const { metadata, spec: pod } = spec.template;
      const container = pod.containers[0]!;
      const port = container.ports[0]!;
      for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe]) {
        expect(probe.httpGet.port).toBe(port.name);
      }
      expect(chain(name)).toMatch(
        new RegExp(`${name === 'gateway' ? 'PORT' : 'HEALTH_PORT'}=${port.containerPort}\\b`),
      );
      expect(container.livenessProbe.httpGet.path).toBe('/healthz');
      expect(container.readinessProbe.httpGet.path).toBe('/readyz');
      expect(Object.keys((name === 'gateway' ? GatewayEnv : WorkerEnv).shape)).toEqual(
        expect.arrayContaining((container.env ?? []).map((variable) => withoutFile(variable.name))),
      );
      expect(container.resources.limits['memory']).toBeDefined();
      // secrets come from the orchestrator, never from the manifest
      const inTheOpen = (container.env ?? []).filter((variable) => variable.value !== undefined);
      expect(inTheOpen.filter((variable) => /URL|PASSWORD|SECRET$|KEY/.test(variable.name))).toEqual([]);
      expect(metadata.annotations).toEqual({
        'prometheus.io/scrape': 'true',
        'prometheus.io/port': String(port.containerPort),
        'prometheus.io/path': '/metrics',
      });
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(pod.securityContext.runAsNonRoot).toBe(true);
      expect(container.volumeMounts.map((mount) => mount.name).toSorted()).toEqual(
        pod.volumes.map((volume) => volume.name).toSorted(),
      );
    },
  );

  test('scales each worker by the length of the queue that it consumes', () => {
    const scaled = manifests.filter(({ kind }) => kind === 'ScaledObject');
    const queues = new Set<string>(Object.values(JOBS).map(({ queue }) => queue));
    expect(scaled.map(({ spec }) => spec.scaleTargetRef.name).toSorted()).toEqual(['ingester', 'scorer', 'trainer']);
    for (const { spec, metadata } of scaled) {
      expect(metadata.name).toBe(spec.scaleTargetRef.name);
      const named = [...spec.triggers[0]!.metadata.query.matchAll(/clove_queue_jobs\{queue="(\w+)"/g)].map(
        ([, queue]) => queue!,
      );
      expect(named.length).toBe(2);
      for (const queue of named) expect(queues.has(queue)).toBe(true);
      expect(read(`services/${metadata.name}/src/main.ts`)).toContain(`queue: '${named[0]}'`);
    }
  });
});

describe('deploy/kubernetes-gpu', () => {
  test('turns the trainers of deploy/kubernetes into those of the image with CUDA', () => {
    const overlay = parse(read('deploy/kubernetes-gpu/kustomization.yaml')) as {
      resources: string[];
      images: { name: string; newName: string }[];
      patches: { target: { kind: string; name: string }; patch: string }[];
    };
    expect(overlay.resources).toEqual(['../kubernetes']);
    const [image] = overlay.images;
    const trainer = deployments.find(({ metadata }) => metadata.name === 'trainer')!;
    expect(image!.name).toBe(trainer.spec.template.spec.containers[0]!.image);
    expect(stages.has(image!.newName.replace('clove/', ''))).toBe(true);
    const [patch] = overlay.patches;
    expect(patch!.target).toEqual({ kind: 'Deployment', name: 'trainer' });
    const changes = parse(patch!.patch) as { op: string; path: string; value: unknown }[];
    expect(changes.map(({ op }) => op)).toEqual(['add', 'add']);
    expect(WorkerEnv.shape.TRAINER_BACKEND.safeParse((changes[0]!.value as { value: string }).value).success).toBe(
      true,
    );
  });
});

describe('deploy/monitoring', () => {
  test('the dashboard says of each panel what it shows and in which unit, and none lies on another', () => {
    const taken = new Set<string>();
    for (const { id, type, title, description, fieldConfig, gridPos, targets = [] } of dashboard.panels) {
      expect([id, title]).toEqual([id, expect.stringMatching(/\w/)]);
      const cells = Array.from({ length: gridPos.w * gridPos.h }, (_, i) => {
        return `${gridPos.x + (i % gridPos.w)},${gridPos.y + Math.floor(i / gridPos.w)}`;
      });
      expect([title, cells.filter((cell) => taken.has(cell))]).toEqual([title, []]);
      for (const cell of cells) taken.add(cell);
      expect([title, gridPos.x + gridPos.w <= 24]).toEqual([title, true]);
      if (type === 'row') continue;
      expect([title, description]).toEqual([title, expect.stringMatching(/\w/)]);
      expect([title, fieldConfig?.defaults.unit]).toEqual([title, expect.stringMatching(/^[a-z]+$/)]);
      expect([title, targets.length > 0]).toEqual([title, true]);
    }
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('every alert has a severity, says what is wrong, and docs/operations.md says what to do', () => {
    const docs = read('docs/operations.md');
    for (const { alert, labels, annotations } of rules) {
      expect([alert, labels.severity]).toEqual([alert, expect.stringMatching(/^(critical|warning)$/)]);
      expect(annotations.summary.length).toBeGreaterThan(10);
      expect(annotations.description.length).toBeGreaterThan(10);
      expect(docs).toContain(`| \`${alert}\``);
    }
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  test('Prometheus and Grafana find what compose mounts, and every service that serves metrics', () => {
    const { scrape_configs: jobs, rule_files: files } = parse(read('deploy/monitoring/prometheus.yml')) as {
      rule_files: string[];
      scrape_configs: { job_name: string; dns_sd_configs: { names: string[]; port: number }[] }[];
    };
    expect(files).toEqual(['/etc/prometheus/alerts.yml']);
    const names = jobs.flatMap(({ dns_sd_configs: [found] }) => found!.names);
    expect(names.toSorted()).toEqual(ours.map(([name]) => name).toSorted());
    for (const {
      job_name: job,
      dns_sd_configs: [found],
    } of jobs) {
      expect(chain(found!.names[0]!)).toMatch(
        new RegExp(`${job === 'gateway' ? 'PORT' : 'HEALTH_PORT'}=${found!.port}\\b`),
      );
    }
    const source = parse(read('deploy/monitoring/grafana/provisioning/datasources/prometheus.yml')) as {
      datasources: { uid: string; url: string }[];
    };
    expect(source.datasources[0]!.url).toBe('http://prometheus:9090');
    expect(read('deploy/monitoring/grafana/dashboards/clove.json')).toContain(`"uid": "${source.datasources[0]!.uid}"`);
    const provider = parse(read('deploy/monitoring/grafana/provisioning/dashboards/clove.yml')) as {
      providers: { options: { path: string } }[];
    };
    expect(compose.services['grafana']!.volumes).toContain(
      `./deploy/monitoring/grafana/dashboards:${provider.providers[0]!.options.path}:ro`,
    );
  });

  const promtool = existsSync('/usr/bin/promtool');
  test.skipIf(!promtool)(
    `Prometheus itself takes the alerts and every expression${promtool ? '' : " (needs Debian's prometheus: apt-get install prometheus)"}`,
    () => {
      const folder = mkdtempSync(path.join(tmpdir(), 'clove-rules-'));
      try {
        const file = path.join(folder, 'expressions.json');
        const all = expressions.map((expression, i) => ({
          record: `clove:expression_${i}`,
          expr: expression.replaceAll('$__rate_interval', '5m'),
        }));
        writeFileSync(file, JSON.stringify({ groups: [{ name: 'all', rules: all }] }));
        const check = (what: string) =>
          execFileSync('/usr/bin/promtool', ['check', 'rules', what], { encoding: 'utf8' });
        expect(check(file)).toContain(`SUCCESS: ${all.length} rules`);
        expect(check(path.join(root, 'deploy/monitoring/alerts.yml'))).toContain(`SUCCESS: ${rules.length} rules`);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});

describe('docs/operations.md', () => {
  /** Variable → its default as the table of settings has it. */
  const documented = new Map(
    [...read('docs/operations.md').matchAll(/^\| `([A-Z_]+)` +\| ([^|]*?) +\| ([^|]*?) +\|/gm)].map(
      ([, name = '', who = '', value = '']) => [name, { who, value }],
    ),
  );
  const settings = new Map<string, { who: string; value: string }>();
  for (const [who, schema] of [
    ['gateway', GatewayEnv],
    ['workers', WorkerEnv],
  ] as const) {
    for (const [name, field] of Object.entries(schema.shape)) {
      const empty = field.safeParse(undefined);
      const value = !empty.success ? 'required' : empty.data === undefined ? '' : `\`${String(empty.data)}\``;
      settings.set(name, { who: settings.has(name) ? 'all' : who, value });
    }
  }

  test.each([...settings])('%s stands in the table of settings, with who reads it and its default', (name, setting) => {
    expect(documented.get(name)).toEqual(setting);
  });

  test('names no setting that no service reads', () => {
    expect([...documented.keys()].filter((name) => !settings.has(name))).toEqual([]);
  });
});
