import {
  useListDatasetsQuery,
  useListJobsQuery,
  useListModelsQuery,
  useListPredictionsQuery,
  useListRunsQuery,
} from '../../api/generated/clove-api.js';
import { Page } from '../../components/page.js';
import { ErrorView, LoadingView } from '../../components/states.js';
import { FirstSteps } from './first-steps.js';
import { Overview } from './overview.js';

const LATEST = 20;
const POLL_MS = 5000;

/** What is here and what to do next. Until customers have been scored: the three steps that lead there. */
export function HomePage() {
  const live = { pollingInterval: POLL_MS, skipPollingIfUnfocused: true };
  const datasets = useListDatasetsQuery({ limit: LATEST }, live);
  const runs = useListRunsQuery({ limit: LATEST }, live);
  const models = useListModelsQuery({ limit: LATEST }, live);
  const predictions = useListPredictionsQuery({ limit: LATEST }, live);
  const jobs = useListJobsQuery({ limit: LATEST }, live);
  const queries = [datasets, runs, models, predictions, jobs];
  const failed = queries.find(({ data, error }) => data === undefined && error !== undefined);
  if (failed !== undefined) {
    return (
      <Page title="Home">
        <ErrorView
          error={failed.error}
          onRetry={() => {
            for (const { refetch } of queries) void refetch();
          }}
        />
      </Page>
    );
  }
  if (!datasets.data || !runs.data || !models.data || !predictions.data || !jobs.data) return <LoadingView />;
  const here = {
    datasets: datasets.data.items,
    runs: runs.data.items,
    models: models.data.items,
    predictions: predictions.data.items,
    jobs: jobs.data.items,
  };
  const scored = here.predictions.some(({ status }) => status === 'succeeded');
  return scored ? (
    <Page title="Home" subtitle="What is here, and what to do next.">
      <Overview here={here} />
    </Page>
  ) : (
    <Page title="Welcome to Clove" subtitle="Three steps, and you know what each of your customers will spend.">
      <FirstSteps here={here} />
    </Page>
  );
}
