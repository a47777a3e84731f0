import { Button, Dialog, DialogActions, DialogContent, DialogTitle, Stack, TextField } from '@mui/material';
import { useEffect, useId, useState } from 'react';
import { type Accepted, cloveApi } from '../../api/generated/clove-api.js';
import { useLiveJob } from '../../api/jobs.js';
import { useAppDispatch } from '../../app/store.js';
import { useUpload } from '../../api/upload.js';
import { FileDrop, UploadProgress } from '../../components/file-drop.js';
import { JobProgress } from '../../components/job-progress.js';

type ImportModelProps = {
  onClose: () => void;
  /** told the new version, `name@number`, once it is in the registry */
  onImported: (model: string) => void;
};

/** Takes a model file that Clove wrote (model.onnx) into the registry as a new version. */
export function ImportModel({ onClose, onImported }: ImportModelProps) {
  const id = useId();
  const upload = useUpload<Accepted>();
  const [files, setFiles] = useState<File[]>([]);
  const [name, setName] = useState('imported');
  const [accepted, setAccepted] = useState<Accepted | undefined>();
  const jobId = accepted?.job.id;
  const { job } = useLiveJob(jobId);
  const dispatch = useAppDispatch();
  const succeeded = job?.status === 'succeeded';
  useEffect(() => {
    if (!succeeded) return;
    const finish = async () => {
      const id = accepted?.id ?? '';
      const { data } = await dispatch(cloveApi.endpoints.getImport.initiate({ id }, { forceRefetch: true }));
      if (data?.version === undefined || data.version === null) return;
      onImported(`${data.modelName}@${data.version}`);
      onClose();
    };
    void finish();
    // once, when the job has succeeded
    // oxlint-disable-next-line react/exhaustive-deps
  }, [succeeded]);
  const send = async () => {
    const form = new FormData();
    for (const file of files) form.append('file', file);
    setAccepted(await upload.send(`/v1/models/${encodeURIComponent(name)}/versions`, form));
  };
  const sending = upload.state.phase === 'sending';
  return (
    <Dialog open onClose={sending ? undefined : onClose} aria-labelledby={id}>
      <DialogTitle id={id}>Upload a model file</DialogTitle>
      <DialogContent>
        <Stack sx={{ gap: 2.5, pt: 1 }}>
          <FileDrop
            label="model.onnx that Clove wrote"
            accept=".onnx"
            files={files}
            onFiles={setFiles}
            disabled={sending || jobId !== undefined}
            hint="From a download of a version, or from the folder of clove train --local"
          />
          <TextField
            label="Name in the registry"
            value={name}
            disabled={sending || jobId !== undefined}
            onChange={(event) => setName(event.target.value)}
            helperText="A new name, or one that is there: the file becomes its next version"
          />
          <UploadProgress state={upload.state} onCancel={upload.cancel} onRetry={() => void send()} />
          {jobId === undefined ? null : <JobProgress jobId={jobId} />}
        </Stack>
      </DialogContent>
      <DialogActions>
        <Button color="inherit" onClick={onClose} disabled={sending}>
          Close
        </Button>
        <Button
          variant="contained"
          disabled={files.length === 0 || name === '' || sending || jobId !== undefined}
          onClick={() => void send()}
        >
          Upload
        </Button>
      </DialogActions>
    </Dialog>
  );
}
