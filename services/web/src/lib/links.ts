import type { Job } from '../api/generated/clove-api.js';

/** Page of what a job makes; an evaluation or an import is shown with its version, so its job stands for it. */
export const resultHref = ({ id, resource }: Pick<Job, 'id' | 'resource'>): string => {
  switch (resource.type) {
    case 'dataset':
      return `/datasets/${resource.id}`;
    case 'run':
      return `/training/${resource.id}`;
    case 'leaderboard':
      return `/leaderboards/${resource.id}`;
    case 'prediction':
      return `/predict/${resource.id}`;
    case 'evaluation':
    case 'import':
      return `/jobs/${id}`;
    case 'erasure':
      return '/settings?tab=erasures';
  }
};
