import type { LineScript } from './schedule.ts';

/** The input line that the script describes. */
export function inputLine({ kind, customId }: LineScript, line: number): string {
  const id = customId === null ? {} : { custom_id: customId };
  const text = `What is line ${line}? \u2028 "ä"`;
  switch (kind) {
    case 'chat':
      return JSON.stringify({
        ...id,
        body: { model: 'gpt-4o-mini', messages: [{ role: 'user', content: text }] },
      });
    case 'embedding':
      return JSON.stringify({ ...id, body: { model: 'text-embedding-3-small', input: [text, 'more'] } });
    case 'response':
      return JSON.stringify({ body: { input: text, model: 'gpt-5-mini' }, ...id });
    case 'bad':
      return '{"body":';
    default:
      return kind satisfies never;
  }
}
