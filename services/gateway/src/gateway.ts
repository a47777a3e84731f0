import type { GatewayEnv } from '@clove/contracts';
import type { Logger, Producer } from '@clove/runtime';
import type { ArtifactStore, UnboundRegistry } from '@clove/store';

/** What the routes stand on, but for the registry: that of the user's tenant is `request.registry`. */
export type Gateway = {
  env: GatewayEnv;
  artifacts: ArtifactStore;
  producer: Producer;
  logger: Logger;
};

/**
 * What the app stands on. It owns none of it: who opened it closes it, after the app. The registry of all tenants is for the check of
 * who asks and for what the app does by itself.
 */
export type Installation = Gateway & { registry: UnboundRegistry };
