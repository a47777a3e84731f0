import { type Role, mayAct } from '@clove/contracts';
import { useGetMeQuery } from './generated/clove-api.js';

/** Whether who is signed in may do what `role` may: `analyst` changes things, `admin` manages users. False until known. */
export function useMay(role: Role): boolean {
  const { data: me } = useGetMeQuery();
  return me !== undefined && mayAct(me.role, role);
}
