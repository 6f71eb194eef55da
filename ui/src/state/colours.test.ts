import { expect, test } from 'vitest';
import { colours, colourSlots } from './colours';

test.each([
  ['the first ones come in order', ['a', 'b', 'c'], {}, { a: 0, b: 1, c: 2 }],
  ['a model keeps its slot when the ranking turns', ['c', 'a'], { a: 0, c: 2 }, { c: 2, a: 0 }],
  ['a new one avoids the slots of the absent', ['d', 'a'], { a: 0, b: 1 }, { a: 0, d: 2 }],
  ['until there is no other left', ['h'], { a: 0, b: 1, c: 2, d: 3, e: 4, f: 5, g: 6 }, { h: 0 }],
  ['of two with one memory the dearer keeps it', ['h', 'a'], { a: 0, h: 0 }, { h: 0, a: 1 }],
])('%s', (_, models, remembered, slots) => expect(colourSlots(models, remembered)).toEqual(slots));

test('colours outlive the window', () => {
  expect(colours(['opus', 'sonnet'])('sonnet')).toBe('var(--model-1)');
  expect(colours(['sonnet'])('sonnet')).toBe('var(--model-1)');
  expect(colours(['sonnet'])('unranked')).toBe('var(--model-other)');
});
