import { List, ListItem, ListItemIcon, ListItemText } from '@mui/material';
import type { GateResult } from '../api/generated/clove-api.js';
import { CheckCircleIcon, ErrorIcon } from './icons.js';

const NAMES: Record<GateResult['gate'], string> = {
  'total-bias': 'The level of the total',
  calibration: 'The level of each tenth',
  champion: 'Beside the present champion',
  'probabilistic-baseline': 'Beside the best probabilistic model',
};

/** What a version has to pass before it may become champion, each with its verdict. Nothing where there are no gates. */
export function Gates({ gates }: { gates: readonly GateResult[] }) {
  if (gates.length === 0) return null;
  return (
    <List dense disablePadding aria-label="Gates">
      {gates.map(({ gate, passed, measure, message }) => (
        <ListItem key={`${gate}${measure}`} disableGutters sx={{ alignItems: 'flex-start' }}>
          <ListItemIcon sx={{ minWidth: 36, mt: 0.75, color: passed ? 'success.main' : 'error.main' }}>
            {passed ? <CheckCircleIcon fontSize="small" /> : <ErrorIcon fontSize="small" />}
          </ListItemIcon>
          <ListItemText primary={`${NAMES[gate]}: ${passed ? 'passed' : 'failed'}`} secondary={message} />
        </ListItem>
      ))}
    </List>
  );
}
