import type { BreakdownRow } from '../api/types';
import { ago, lastSegment, shortId } from '../format';

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
  return {
    name: shortId(row.name) || 'no session',
    whole: `${row.name} in ${row.detail || 'no project'}`,
    second: `${project} · ${ago(row.last_at, now)}`,
  };
}
