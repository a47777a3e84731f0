import { Tab, Tabs } from '@mui/material';
import { useSearchParams } from 'react-router';
import { Page } from '../../components/page.js';
import { GeneratorForm } from './generator-form.js';
import { UploadWizard } from './upload-wizard.js';

/** A new dataset: from files, or generated. */
export function NewDatasetPage() {
  const [params, setParams] = useSearchParams();
  const way = params.get('from') === 'generator' ? 'generator' : 'files';
  return (
    <Page
      title="New dataset"
      parents={[{ label: 'Datasets', to: '/datasets' }]}
      subtitle="Orders (one row a purchase), or a table of customers (one row each, any columns)."
    >
      <Tabs
        value={way}
        onChange={(_event, chosen: string) =>
          setParams(chosen === 'generator' ? { from: chosen } : {}, { replace: true })
        }
        aria-label="Where the data comes from"
        sx={{ borderBottom: 1, borderColor: 'divider' }}
      >
        <Tab value="files" label="Upload files" id="from-files" aria-controls="way" />
        <Tab value="generator" label="Generate an example" id="from-generator" aria-controls="way" />
      </Tabs>
      <div role="tabpanel" id="way" aria-labelledby={`from-${way}`}>
        {way === 'generator' ? <GeneratorForm /> : <UploadWizard />}
      </div>
    </Page>
  );
}
