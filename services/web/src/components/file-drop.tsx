import {
  Box,
  Button,
  IconButton,
  LinearProgress,
  List,
  ListItem,
  ListItemText,
  Stack,
  Typography,
} from '@mui/material';
import { type DragEvent, type ReactNode, useId, useRef, useState } from 'react';
import type { UploadState } from '../api/upload.js';
import { formatBytes, formatPercent } from '../lib/format.js';
import { CloseIcon, UploadFileIcon } from './icons.js';
import { ErrorView } from './states.js';

type FileDropProps = {
  /** what to drop here, such as "Orders as CSV or Parquet" */
  label: string;
  /** endings that are taken, such as ".csv,.parquet" */
  accept?: string;
  multiple?: boolean;
  files: readonly File[];
  onFiles: (files: File[]) => void;
  hint?: ReactNode;
  disabled?: boolean;
};

const fits = (file: File, accept: string | undefined): boolean =>
  accept === undefined ||
  accept.split(',').some((ending) => file.name.toLowerCase().endsWith(ending.trim().toLowerCase()));

/** Takes files by drag and drop, or by its button with mouse or keyboard. It sends nothing. */
export function FileDrop({ label, accept, multiple = false, files, onFiles, hint, disabled = false }: FileDropProps) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const [refused, setRefused] = useState<string | null>(null);
  const take = (given: File[]) => {
    const good = given.filter((file) => fits(file, accept));
    const bad = given.filter((file) => !fits(file, accept));
    setRefused(
      bad.length === 0 ? null : `${bad.map(({ name }) => name).join(', ')}: only ${accept} files are taken here`,
    );
    if (good.length > 0) onFiles(multiple ? [...files, ...good] : good.slice(0, 1));
  };
  const drag = (inside: boolean) => (event: DragEvent) => {
    event.preventDefault();
    if (!disabled) setOver(inside);
  };
  return (
    <Box>
      <Stack
        onDragOver={drag(true)}
        onDragLeave={drag(false)}
        onDrop={(event) => {
          drag(false)(event);
          if (!disabled) take([...event.dataTransfer.files]);
        }}
        sx={{
          alignItems: 'center',
          textAlign: 'center',
          gap: 1,
          px: 2,
          py: 4,
          borderRadius: 2,
          border: '1.5px dashed',
          borderColor: over ? 'primary.main' : 'divider',
          bgcolor: over ? 'action.hover' : 'transparent',
        }}
      >
        <UploadFileIcon sx={{ fontSize: 32, color: 'text.secondary' }} aria-hidden />
        <Typography id={id} sx={{ fontWeight: 600 }}>
          {label}
        </Typography>
        <Typography variant="body2" color="textSecondary" component="div">
          Drop {multiple ? 'files' : 'a file'} here, or
        </Typography>
        <Button variant="outlined" onClick={() => input.current?.click()} disabled={disabled} aria-describedby={id}>
          Choose {multiple ? 'files' : 'a file'}
        </Button>
        <input
          ref={input}
          type="file"
          hidden
          aria-label={label}
          accept={accept}
          multiple={multiple}
          onChange={(event) => {
            take([...(event.target.files ?? [])]);
            event.target.value = '';
          }}
        />
        {hint === undefined ? null : (
          <Typography variant="caption" color="textSecondary" component="div">
            {hint}
          </Typography>
        )}
      </Stack>
      {refused === null ? null : (
        <Typography role="alert" variant="body2" color="error" sx={{ mt: 1 }}>
          {refused}
        </Typography>
      )}
      {files.length === 0 ? null : (
        <List dense aria-label="Chosen files">
          {files.map((file, n) => (
            <ListItem
              key={`${file.name}${file.lastModified}`}
              disableGutters
              secondaryAction={
                <IconButton
                  edge="end"
                  size="small"
                  disabled={disabled}
                  aria-label={`Take ${file.name} out`}
                  onClick={() => onFiles(files.filter((_file, at) => at !== n))}
                >
                  <CloseIcon fontSize="small" />
                </IconButton>
              }
            >
              <ListItemText primary={file.name} secondary={formatBytes(file.size)} />
            </ListItem>
          ))}
        </List>
      )}
    </Box>
  );
}

/** How far an upload is, with cancel; or why it failed. Nothing where none is under way. */
export function UploadProgress({
  state,
  onCancel,
  onRetry,
}: {
  state: UploadState;
  onCancel: () => void;
  onRetry?: () => void;
}) {
  if (state.phase === 'idle') return null;
  if (state.phase === 'failed') return <ErrorView error={state.error} onRetry={onRetry} title="The upload failed" />;
  const share = state.totalBytes === 0 ? 0 : state.sentBytes / state.totalBytes;
  return (
    <Stack sx={{ gap: 1 }}>
      <Stack direction="row" sx={{ alignItems: 'center', gap: 2 }}>
        <Typography variant="body2" color="textSecondary" role="status" sx={{ flex: 1 }}>
          {share < 1
            ? `Sending, ${formatPercent(share, 0)} of ${formatBytes(state.totalBytes)}`
            : 'Sent; the gateway stores it'}
        </Typography>
        <Button size="small" color="inherit" onClick={onCancel}>
          Cancel
        </Button>
      </Stack>
      <LinearProgress
        aria-label="Upload"
        variant={share === 0 || share === 1 ? 'indeterminate' : 'determinate'}
        value={share * 100}
        sx={{ height: 6, borderRadius: 3 }}
      />
    </Stack>
  );
}
