/** Rust writes messages without capital and full stop, for logs and terminals; the window shows sentences. */
export function asSentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return text === '' || /[.!?…]$/.test(text) ? capital : `${capital}.`;
}

export function asSentences({ message, hint }: { message: string; hint: string }) {
  return { message: asSentence(message), hint: asSentence(hint) };
}
