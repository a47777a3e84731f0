import { Box } from '@mui/material';
import { formatCount } from '../lib/format.js';

const WIDTH = 140;
const HEIGHT = 32;

/** A histogram as small as a word, for table cells: heights relative to the highest bar. */
export function MiniBars({ label, bars }: { label: string; bars: readonly { label: string; count: number }[] }) {
  const most = Math.max(1, ...bars.map(({ count }) => count));
  const width = WIDTH / Math.max(1, bars.length);
  const peak = bars.find(({ count }) => count === most);
  return (
    <Box
      component="svg"
      role="img"
      aria-label={`${label}: most values from ${peak?.label ?? 'nowhere'}`}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      sx={{ width: WIDTH, height: HEIGHT, display: 'block', color: 'primary.main' }}
    >
      {bars.map((bar, n) => {
        // what is there at all is seen
        const height = bar.count === 0 ? 0 : Math.max(1, (bar.count / most) * (HEIGHT - 1));
        return (
          <rect
            key={bar.label}
            x={n * width + 0.5}
            y={HEIGHT - height}
            width={Math.max(0.5, width - 1)}
            height={height}
            fill="currentColor"
          >
            <title>{`${bar.label}: ${formatCount(bar.count)}`}</title>
          </rect>
        );
      })}
    </Box>
  );
}
