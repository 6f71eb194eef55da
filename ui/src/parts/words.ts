import type { Gap, Source, Unpriced } from '../api/types';
import { count, plural } from '../format';

/** What people call them. */
export const agents: Record<Source, string> = { 'claude-code': 'Claude Code', openclaw: 'OpenClaw' };

const gaps: Record<Exclude<Gap, 'unknown_model'>, string> = {
  unsplit_tokens: 'only the total of their tokens is known',
  unknown_mode: 'no price is known for their mode (fast, batch or web search) with this model',
  not_recorded: 'their log states no cost, and only that counts',
  price_missing_there: 'the gateway that counted them knows no price for the model',
};

/** Why responses have no cost: a sentence for each reason, with how many there are. */
export function unpricedSentences(unpriced: Unpriced[]): { message: string; responses: number }[] {
  const reasons: Gap[] = [
    'unknown_model',
    'unsplit_tokens',
    'unknown_mode',
    'not_recorded',
    'price_missing_there',
  ];
  return reasons.flatMap((gap) => {
    const models = unpriced.filter((model) => model.gaps.some((each) => each.gap === gap));
    if (models.length === 0) return [];
    const responses = models
      .flatMap((model) => model.gaps.filter((each) => each.gap === gap))
      .reduce((sum, each) => sum + each.responses, 0);
    const names = [...new Set(models.map(({ name }) => name))].join(', ');
    if (gap === 'unknown_model') return [{ message: `No price is known for ${names}.`, responses }];
    const all = models.reduce((sum, model) => sum + model.amount.responses, 0);
    const which = `${count(responses)} of ${plural(all, 'response')} of ${names}`;
    return [{ message: `The cost of ${which} is not known: ${gaps[gap]}.`, responses }];
  });
}

/** Rust writes messages without capital and full stop, for logs and terminals; the window shows sentences. */
export function asSentence(text: string): string {
  const isUrl = /^\w+:\/\//.test(text);
  const capital = isUrl ? text : text.charAt(0).toUpperCase() + text.slice(1);
  return text === '' || /[.!?…]$/.test(text) ? capital : `${capital}.`;
}

export function asSentences({ message, hint }: { message: string; hint: string }) {
  return { message: asSentence(message), hint: asSentence(hint) };
}
