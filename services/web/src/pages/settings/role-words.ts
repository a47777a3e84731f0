import type { Role } from '../../api/generated/clove-api.js';

/** Roles in words. */
export const ROLES: Record<Role, { label: string; may: string }> = {
  admin: { label: 'Administrator', may: 'may do everything, users included' },
  analyst: { label: 'Analyst', may: 'makes and changes datasets, models and predictions' },
  viewer: { label: 'Viewer', may: 'sees everything, changes nothing' },
};
