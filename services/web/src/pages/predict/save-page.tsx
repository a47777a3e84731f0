import { Button, Menu, MenuItem } from '@mui/material';
import { useState } from 'react';
import { DownloadIcon } from '../../components/icons.js';
import { ErrorView } from '../../components/states.js';
import { saveBlob } from '../../lib/save.js';

const PIXELS_OF_A_PX = 2;

/** Saves what the page shows: as a picture, or by the browser's printing as a PDF. */
export function SavePage({ name }: { name: string }) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  const picture = async () => {
    setAnchor(null);
    setBusy(true);
    setFailure(null);
    try {
      const { toBlob } = await import('html-to-image');
      const main = document.querySelector('main');
      const blob =
        main === null
          ? null
          : await toBlob(main, {
              pixelRatio: PIXELS_OF_A_PX,
              backgroundColor: getComputedStyle(document.body).backgroundColor,
              filter: (node) => !(node instanceof Element && node.classList.contains('no-print')),
            });
      if (blob === null) throw new Error('The browser could not make a picture of this page.');
      saveBlob(blob, `${name}.png`);
    } catch (error) {
      setFailure(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Button
        variant="outlined"
        startIcon={<DownloadIcon />}
        loading={busy}
        aria-haspopup="menu"
        aria-expanded={anchor !== null}
        onClick={(event) => setAnchor(event.currentTarget)}
      >
        Page
      </Button>
      <Menu anchorEl={anchor} open={anchor !== null} onClose={() => setAnchor(null)}>
        <MenuItem onClick={() => void picture()}>Picture of this page (PNG)</MenuItem>
        <MenuItem
          onClick={() => {
            setAnchor(null);
            // the menu is gone before the page is put on paper
            requestAnimationFrame(() => window.print());
          }}
        >
          Print, or save as PDF
        </MenuItem>
      </Menu>
      {failure === null ? null : <ErrorView title="The picture could not be made" error={failure} />}
    </>
  );
}
