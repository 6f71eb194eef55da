/** How many models have a colour of their own; the rest share that of "other". */
export const SLOTS = 7;

export type Slots = Record<string, number>;

/**
 * Gives each of `models` (dearest first, at most `SLOTS`) a palette slot. A model keeps the slot it had;
 * a new one takes a slot that nobody is remembered by, as long as there is one.
 */
export function colourSlots(models: string[], remembered: Slots): Slots {
  const given: Slots = {};
  const taken = () => Object.values(given);
  for (const model of models) {
    const own = remembered[model];
    if (own !== undefined && !taken().includes(own)) given[model] = own;
  }
  for (const model of models.filter((model) => !(model in given))) {
    const free = [...Array(SLOTS).keys()].filter((slot) => !taken().includes(slot));
    const unremembered = free.find((slot) => !Object.values(remembered).includes(slot));
    given[model] = unremembered ?? free[0] ?? 0;
  }
  return given;
}

export type Colour = (model: string) => string;

/** The CSS colour of a model, the same from one opening of the window to the next. */
export function colours(models: string[]): Colour {
  const slots = colourSlots(models, recall());
  remember(slots);
  return (model) => `var(--model-${slots[model] ?? 'other'})`;
}

const KEY = 'model-colours';

function recall(): Slots {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') as Slots;
  } catch {
    return {};
  }
}

function remember(slots: Slots) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...recall(), ...slots }));
  } catch {
    // Without storage the colours are stable for as long as the ranking is.
  }
}
