import { IconButton, ListItemIcon, ListItemText, Menu, MenuItem, Tooltip } from '@mui/material';
import { useColorScheme } from '@mui/material/styles';
import { useState } from 'react';
import { BrightnessAutoIcon, DarkModeIcon, LightModeIcon } from '../components/icons.js';

const MODES = [
  { mode: 'system', label: 'As the system', Icon: BrightnessAutoIcon },
  { mode: 'light', label: 'Light', Icon: LightModeIcon },
  { mode: 'dark', label: 'Dark', Icon: DarkModeIcon },
] as const;

/** Light, dark, or as the system has it; the browser keeps the choice. */
export function ColorModeButton() {
  const { mode = 'system', setMode } = useColorScheme();
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const Current = MODES.find((entry) => entry.mode === mode)?.Icon ?? BrightnessAutoIcon;
  return (
    <>
      <Tooltip title="Light or dark">
        <IconButton
          aria-label="Light or dark"
          aria-haspopup="menu"
          aria-expanded={anchor !== null}
          onClick={(event) => setAnchor(event.currentTarget)}
          size="small"
        >
          <Current fontSize="small" />
        </IconButton>
      </Tooltip>
      <Menu anchorEl={anchor} open={anchor !== null} onClose={() => setAnchor(null)}>
        {MODES.map(({ mode: each, label, Icon }) => (
          <MenuItem
            key={each}
            selected={each === mode}
            onClick={() => {
              setMode(each);
              setAnchor(null);
            }}
          >
            <ListItemIcon>
              <Icon fontSize="small" />
            </ListItemIcon>
            <ListItemText>{label}</ListItemText>
          </MenuItem>
        ))}
      </Menu>
    </>
  );
}
