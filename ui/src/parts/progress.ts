import type { Progress } from '../api/types';

/** How much of a catch-up is done, from 0 to 1: by bytes, or by files while bytes are not known. */
export function done(progress: Progress): number {
  const { bytes_done, bytes_total, files_done, files_total } = progress;
  if (bytes_total > 0) return Math.min(1, bytes_done / bytes_total);
  return files_total > 0 ? Math.min(1, files_done / files_total) : 0;
}
