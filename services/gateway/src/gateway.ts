import type { GatewayEnv } from '@clove/contracts';
import type { Logger, Producer } from '@clove/runtime';
import type { ArtifactStore, Registry } from '@clove/store';

/** What the routes stand on. The app owns none of it: who opened it closes it, after the app. */
export type Gateway = {
  env: GatewayEnv;
  registry: Registry;
  artifacts: ArtifactStore;
  producer: Producer;
  logger: Logger;
};
