import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { GatewayEnv, JOBS, WorkerEnv } from '@clove/contracts';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';

// No container engine is needed: these hold the files against each other and against the code that they start.
const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

type ComposeService = {
  image?: string;
  build?: { target: string };
  environment: Record<string, string>;
  healthcheck?: unknown;
  read_only?: boolean;
  cap_drop?: string[];
  volumes: string[];
  profiles?: string[];
};
const compose = parse(read('docker-compose.yml'), { merge: true }) as { services: Record<string, ComposeService> };
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
    expect(Object.keys(schema.shape)).toEqual(expect.arrayContaining(Object.keys(service.environment)));
    const image = Object.fromEntries(
      [...chain(service.build!.target).matchAll(/^ENV (.*)$/gm)].flatMap(([, line]) =>
        line!.split(' ').map((pair) => pair.split('=') as [string, string]),
      ),
    );
    const env = { ...image, ...service.environment };
    const filled = Object.fromEntries(
      Object.entries(env).map(([key, value]) => [
        key,
        value.replace(/\$\{\w+:-([^}]*)\}/g, '$1').replace(/\$\{[^}]*\}/g, 'x1'),
      ]),
    );
    expect(schema.safeParse(filled).error).toBeUndefined();
  });

  test.each(ours)('%s runs as an ordinary user on a read-only root, with a health check', (_name, service) => {
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.healthcheck).toBeDefined();
    expect(
      chain(service.build!.target)
        .match(/^USER (\w+)$/gm)
        ?.at(-1),
    ).toBe('USER node');
    expect(service.volumes).toContain('artifacts:/artifacts');
  });

  test('holds no secret of its own: each password must be given', () => {
    const passwords = read('docker-compose.yml').match(/\$\{\w*PASSWORD[^}]*\}/g) ?? [];
    expect(passwords.length).toBeGreaterThan(3);
    for (const password of passwords) expect(password).toMatch(/:\?/);
  });

  test('names a version of every image', () => {
    const images = [
      ...Object.values(compose.services).flatMap(({ image }) => image ?? []),
      ...[...stages.values()].map(({ from }) => from).filter((from) => !stages.has(from)),
    ];
    for (const image of images) expect(image).toMatch(/:\d/);
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
      const pod = spec.template.spec;
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
        expect.arrayContaining((container.env ?? []).map((variable) => variable.name)),
      );
      expect(container.resources.limits['memory']).toBeDefined();
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
