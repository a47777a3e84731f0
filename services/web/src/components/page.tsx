import { Box, Breadcrumbs, Card, CardContent, Link, Stack, Typography } from '@mui/material';
import { type ReactNode, useEffect, useId } from 'react';
import { Link as RouterLink } from 'react-router';

type PageProps = {
  title: string;
  /** one line under the title */
  subtitle?: ReactNode;
  /** the way back up: label and address, outermost first */
  parents?: readonly { label: string; to: string }[];
  /** buttons beside the title */
  actions?: ReactNode;
  /** a badge beside the title */
  badge?: ReactNode;
  children: ReactNode;
};

/** Every page: its title (of the document too), the way up, its actions, its content. */
export function Page({ title, subtitle, parents = [], actions, badge, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Clove`;
  }, [title]);
  return (
    <Stack sx={{ gap: { xs: 2, md: 3 } }}>
      <Box component="header">
        {parents.length === 0 ? null : (
          <Breadcrumbs aria-label="Where this page is" sx={{ mb: 0.5, typography: 'caption' }}>
            {parents.map(({ label, to }) => (
              <Link key={to} component={RouterLink} to={to} color="textSecondary">
                {label}
              </Link>
            ))}
            <Typography variant="caption" color="textSecondary" aria-current="page">
              {title}
            </Typography>
          </Breadcrumbs>
        )}
        <Stack
          direction={{ xs: 'column', sm: 'row' }}
          sx={{ gap: 1.5, justifyContent: 'space-between', alignItems: { sm: 'flex-start' } }}
        >
          <Box sx={{ minWidth: 0 }}>
            <Stack direction="row" sx={{ gap: 1.5, alignItems: 'center', flexWrap: 'wrap' }}>
              <Typography variant="h1" sx={{ overflowWrap: 'anywhere' }}>
                {title}
              </Typography>
              {badge}
            </Stack>
            {subtitle === undefined ? null : (
              <Typography variant="body2" component="div" color="textSecondary" sx={{ mt: 0.5, maxWidth: '80ch' }}>
                {subtitle}
              </Typography>
            )}
          </Box>
          {actions === undefined ? null : (
            <Stack direction="row" sx={{ gap: 1, flexWrap: 'wrap', flexShrink: 0 }}>
              {actions}
            </Stack>
          )}
        </Stack>
      </Box>
      {children}
    </Stack>
  );
}

type SectionProps = {
  title?: string;
  subtitle?: ReactNode;
  actions?: ReactNode;
  /** content touches the edges of the card, as tables do */
  flush?: boolean;
  children: ReactNode;
};

/** A card with a heading: what a page is made of. */
export function Section({ title, subtitle, actions, flush = false, children }: SectionProps) {
  const id = useId();
  return (
    <Card component="section" aria-labelledby={title === undefined ? undefined : id}>
      {title === undefined ? null : (
        <Stack
          direction="row"
          sx={{
            gap: 1,
            flexWrap: 'wrap',
            justifyContent: 'space-between',
            alignItems: 'flex-start',
            px: 2.5,
            pt: 2,
            pb: flush ? 1.5 : 0,
          }}
        >
          <Box sx={{ minWidth: 0, flex: '1 1 220px' }}>
            <Typography id={id} variant="h2">
              {title}
            </Typography>
            {subtitle === undefined ? null : (
              <Typography variant="body2" component="div" color="textSecondary">
                {subtitle}
              </Typography>
            )}
          </Box>
          {actions}
        </Stack>
      )}
      {flush ? (
        children
      ) : (
        <CardContent sx={{ px: 2.5, pt: title === undefined ? 2.5 : 1.5, '&:last-child': { pb: 2.5 } }}>
          {children}
        </CardContent>
      )}
    </Card>
  );
}

/** Figures with their names, side by side, as many columns as fit. */
export function Facts({ items }: { items: readonly { label: string; value: ReactNode; hint?: string }[] }) {
  return (
    <Box
      component="dl"
      sx={{ m: 0, display: 'grid', gap: 2, gridTemplateColumns: 'repeat(auto-fill, minmax(min(100%, 125px), 1fr))' }}
    >
      {items.map(({ label, value, hint }) => (
        <Box key={label}>
          <Typography component="dt" variant="caption" color="textSecondary">
            {label}
          </Typography>
          <Typography
            component="dd"
            sx={{
              m: 0,
              fontSize: '1.0625rem',
              fontWeight: 600,
              fontVariantNumeric: 'tabular-nums',
              overflowWrap: 'anywhere',
            }}
          >
            {value}
          </Typography>
          {hint === undefined ? null : (
            <Typography component="dd" variant="caption" color="textSecondary" sx={{ m: 0 }}>
              {hint}
            </Typography>
          )}
        </Box>
      ))}
    </Box>
  );
}
