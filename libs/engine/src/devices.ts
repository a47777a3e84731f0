/** What this machine computes with. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { cpus } from 'node:os';

/** The processor's name. */
export const cpuName = (): string => cpus()[0]?.model.trim() || 'CPU';

const NVIDIA = '/proc/driver/nvidia/gpus';

/** The name of the first NVIDIA GPU on Linux; null where none is told of. */
export function gpuName(): string | null {
  try {
    for (const gpu of readdirSync(NVIDIA)) {
      const model = /^Model:\s*(.+)$/m.exec(readFileSync(`${NVIDIA}/${gpu}/information`, 'utf8'))?.[1];
      if (model !== undefined) return model.trim();
    }
  } catch {
    // No such driver.
  }
  return null;
}

/** Device files of a GPU, also of one under WSL. */
const GPU_DEVICES = ['/dev/nvidiactl', '/dev/dri', '/dev/dxg'];

/** Whether there may be a GPU: known on Linux only, where Vulkan may also be done in software. */
export const mayHaveGpu = (): boolean => process.platform !== 'linux' || GPU_DEVICES.some((path) => existsSync(path));
