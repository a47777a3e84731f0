import type { PredictionReport as Report } from '@clove/contracts';
import { Box } from '@mui/material';
import { useCallback } from 'react';
import type { PredictionReport } from '../../api/generated/clove-api.js';
import { ChartView } from '../../components/chart-view.js';
import { Section } from '../../components/page.js';
import { formatCount, formatMoney, formatPercent } from '../../lib/format.js';

type Draw = Parameters<typeof ChartView>[0]['draw'];

/** How the predictions are spread, and where the predicted total comes from. */
export function PredictionCharts({ report, currency }: { report: PredictionReport; currency: string | null }) {
  const { histogram, deciles, tiers } = report as Report;
  const drawHistogram = useCallback<Draw>(
    (charts, options) => charts.predictionHistogramChart(histogram, options),
    [histogram],
  );
  const drawDeciles = useCallback<Draw>(
    (charts, options) => charts.predictionDecilesChart(deciles, options),
    [deciles],
  );
  const money = (value: number) => formatMoney(value, currency);
  const total = tiers.reduce((sum, tier) => sum + tier.total, 0);
  return (
    <Box
      sx={{
        display: 'grid',
        gap: { xs: 2, md: 3 },
        gridTemplateColumns: { xs: 'minmax(0, 1fr)', lg: 'repeat(2, minmax(0, 1fr))' },
      }}
    >
      <Section>
        <ChartView
          name="predictions"
          draw={drawHistogram}
          currency={currency}
          table={{
            columns: ['From', 'To', 'Customers'],
            rows: histogram.map((bin) => [money(bin.from), money(bin.to), formatCount(bin.count)]),
          }}
        />
      </Section>
      <Section>
        <ChartView
          name="tenths"
          draw={drawDeciles}
          currency={currency}
          table={{
            columns: ['Tenth, best first', 'Customers', 'Mean', 'Total', 'Share'],
            rows: deciles.map((group, n) => [
              n + 1,
              formatCount(group.customers),
              money(group.mean),
              money(group.total),
              formatPercent(total === 0 ? 0 : group.total / total),
            ]),
          }}
        />
      </Section>
    </Box>
  );
}
