import { expect, test } from 'vitest';
import type { Gap, Unpriced } from '../api/types';
import { asSentence, unpricedSentences } from './words';

const model = (name: string, responses: number, gaps: [Gap, number][]): Unpriced => ({
  name,
  provider: '',
  source: 'openclaw',
  amount: {
    cost: 0,
    responses,
    unpriced_responses: gaps.reduce((sum, [, each]) => sum + each, 0),
    tokens: { input: 0, output: 0, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0, unsplit: 0 },
  },
  last_at: 0,
  gaps: gaps.map(([gap, each]) => ({ gap, responses: each })),
});

test('a model without a price and tokens that are not split are told apart', () => {
  const told = unpricedSentences([
    model('acme-9', 3, [['unknown_model', 3]]),
    model('acme-9', 1, [['unknown_model', 1]]),
    model('claude-opus-5', 1_204, [
      ['unsplit_tokens', 3],
      ['unknown_mode', 1],
    ]),
  ]);
  expect(told).toEqual([
    { message: 'No price is known for acme-9.', responses: 4 },
    {
      message:
        'The cost of 3 of 1,204 responses of claude-opus-5 is not known: only the total of their tokens is known.',
      responses: 3,
    },
    {
      message:
        'The cost of 1 of 1,204 responses of claude-opus-5 is not known: ' +
        'no price is known for their mode (fast, batch or web search) with this model.',
      responses: 1,
    },
  ]);
});

test.each([
  ['the disk is full', 'The disk is full.'],
  ['is it?', 'Is it?'],
  ['ws://claw is not encrypted', 'ws://claw is not encrypted.'],
  ['', ''],
])('%j as a sentence', (text, sentence) => expect(asSentence(text)).toBe(sentence));
