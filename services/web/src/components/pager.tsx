import { Button, Stack } from '@mui/material';
import { useSearchParams } from 'react-router';

/** Cursor of the page of a list that the address names; undefined on the first. Give it to the endpoint. */
export const useCursor = (): string | undefined => useSearchParams()[0].get('cursor') ?? undefined;

/** Leads through the pages of a list that is read by cursor, newest first. Nothing where there is one page only. */
export function Pager({ next }: { next: string | null }) {
  const [search, setSearch] = useSearchParams();
  const cursor = search.get('cursor');
  if (cursor === null && next === null) return null;
  const go = (to: string | null) => {
    const changed = new URLSearchParams(search);
    if (to === null) changed.delete('cursor');
    else changed.set('cursor', to);
    setSearch(changed);
  };
  return (
    <Stack
      component="nav"
      aria-label="Pages of the list"
      direction="row"
      sx={{ gap: 1, p: 1, justifyContent: 'flex-end' }}
    >
      <Button size="small" disabled={cursor === null} onClick={() => go(null)}>
        Newest
      </Button>
      <Button size="small" disabled={next === null} onClick={() => go(next)}>
        Older
      </Button>
    </Stack>
  );
}
