// Days -> stacked bars, without drawing them.
import { rollup, sort, sum } from 'd3-array';
import type { Amount, DayAmounts, ModelAmount } from '../api/types';
import { SLOTS } from '../state/colours';

export const OTHER = 'other';

export type Segment = { model: string; nanos: number; from: number; to: number };
export type Bar = { day: string; total: Amount; models: ModelAmount[]; segments: Segment[] };

/** The models worth a colour, dearest over all days first. */
export function dearestModels(days: DayAmounts[]): string[] {
  const costs = rollup(
    days.flatMap((day) => day.models),
    (same) => sum(same, (each) => each.amount.cost),
    (each) => each.model,
  );
  const spending = [...costs].filter(([, cost]) => cost > 0);
  return sort(spending, ([, a], [, b]) => b - a)
    .slice(0, SLOTS)
    .map(([model]) => model);
}

/** One bar a day: the named models in their order from the bottom, everything else as one segment on top. */
export function stackDays(days: DayAmounts[], named: string[]): Bar[] {
  return days.map(({ day, models }) => {
    const costOf = (wanted: (model: string) => boolean) =>
      sum(models, ({ model, amount }) => (wanted(model) ? amount.cost : 0));
    let from = 0;
    const segments = [...named, OTHER]
      .map((name) => ({
        model: name,
        nanos: costOf((model) => (name === OTHER ? !named.includes(model) : model === name)),
      }))
      .filter(({ nanos }) => nanos > 0)
      .map(({ model, nanos }) => ({ model, nanos, from, to: (from += nanos) }));
    return { day, total: addUp(models.map((each) => each.amount)), models, segments };
  });
}

/** Sums amounts class by class. */
export function addUp(amounts: Amount[]): Amount {
  const of = (field: (amount: Amount) => number) => sum(amounts, field);
  return {
    cost: of((each) => each.cost),
    responses: of((each) => each.responses),
    unpriced_responses: of((each) => each.unpriced_responses),
    tokens: {
      input: of((each) => each.tokens.input),
      output: of((each) => each.tokens.output),
      cache_read: of((each) => each.tokens.cache_read),
      cache_write_5m: of((each) => each.tokens.cache_write_5m),
      cache_write_1h: of((each) => each.tokens.cache_write_1h),
      unsplit: of((each) => each.tokens.unsplit),
    },
  };
}
