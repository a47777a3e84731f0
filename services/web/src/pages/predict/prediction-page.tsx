import { useParams } from 'react-router';
import { useGetPredictionQuery } from '../../api/generated/clove-api.js';
import { JobProgress } from '../../components/job-progress.js';
import { Page, Section } from '../../components/page.js';
import { ErrorView, LoadingView } from '../../components/states.js';

/** One prediction: how far it is, and what came out. */
export function PredictionPage() {
  const { id = '' } = useParams();
  const { data: prediction, error, refetch } = useGetPredictionQuery({ id });
  if (error !== undefined) return <ErrorView error={error} onRetry={() => void refetch()} />;
  if (prediction === undefined) return <LoadingView label="Loading the prediction" />;
  return (
    <Page
      title={`Prediction by ${prediction.model} version ${prediction.version}`}
      parents={[{ label: 'Quick predict', to: '/predict' }]}
    >
      <Section>
        <JobProgress jobId={prediction.jobId} />
      </Section>
    </Page>
  );
}
