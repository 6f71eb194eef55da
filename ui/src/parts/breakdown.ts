import type { BreakdownRow } from '../api/types';
import { ago, lastSegment, shortId } from '../format';

/** Sums are kept by quarters of an hour, and so is the time of the last response. */
const SLOT = 15 * 60_000;

export type Kind = 'model' | 'project' | 'session';

/** What stands in a row's first cell: a short name, the whole one, and a second line. */
export function rowName(
  kind: Kind,
  row: BreakdownRow,
  now: number,
): { name: string; whole: string; second: string } {
  if (kind === 'model') return { name: row.name, whole: row.name, second: '' };
  if (kind === 'project')
    return { name: lastSegment(row.name) || 'no project', whole: row.name, second: row.name };
  const project = lastSegment(row.detail) || 'no project';
  const last = now - row.last_at < SLOT ? 'in the last 15 min' : ago(row.last_at, now);
  return {
    name: shortId(row.name) || 'no session',
    whole: `${row.name} in ${row.detail || 'no project'}`,
    second: `${project} · ${last}`,
  };
}
