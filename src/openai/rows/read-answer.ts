/** Reads the answer of a chat completion or a response from its body. */

/** The answer that a body contains. */
export interface ReadAnswer {
  /** The text, of all parts; null if there is none. */
  readonly text: string | null;
  /** True when the model refused, or a content filter ended the answer. */
  readonly isRefused: boolean;
  /** True when the answer ended at the limit of output tokens. */
  readonly isCut: boolean;
}

type Members = Readonly<Record<string, unknown>>;

/** Reads the answer of a body of any form; one of an unknown form has no text. `body` is JSON. */
export function readAnswer(body: string): ReadAnswer {
  const answer = JSON.parse(body) as Members;
  return Array.isArray(answer['choices']) ? ofChoices(answer['choices']) : ofResponse(answer);
}

function ofChoices(choices: readonly unknown[]): ReadAnswer {
  const all = choices.map(membersOf);
  const choice = all.find(({ index }) => index === 0) ?? all[0] ?? {};
  const message = membersOf(choice['message']);
  const parts = listOf(message['content']);
  const refusals = [message, ...parts.filter(isOf('refusal'))].map(({ refusal }) => refusal);
  return {
    text: textOf(message['content']) ?? joined(parts.filter(isOf('text')).map(({ text }) => text)),
    isRefused: hasText(refusals) || choice['finish_reason'] === 'content_filter',
    isCut: choice['finish_reason'] === 'length',
  };
}

function ofResponse({ output, status, incomplete_details: details }: Members): ReadAnswer {
  const parts = listOf(output).flatMap(({ content }) => listOf(content));
  const { reason } = status === 'incomplete' ? membersOf(details) : {};
  return {
    text: joined(parts.filter(isOf('output_text')).map(({ text }) => text)),
    isRefused:
      hasText(parts.filter(isOf('refusal')).map(({ refusal }) => refusal)) || reason === 'content_filter',
    isCut: reason === 'max_output_tokens',
  };
}

function isOf(type: string): (part: Members) => boolean {
  return (part) => part['type'] === type;
}

function joined(texts: readonly unknown[]): string | null {
  const known = texts.map(textOf).filter((text) => text !== null);
  return known.length === 0 ? null : known.join('');
}

/** Some servers send an empty refusal with every answer. */
function hasText(values: readonly unknown[]): boolean {
  return values.some((value) => typeof value === 'string' && value !== '');
}

function listOf(value: unknown): Members[] {
  return Array.isArray(value) ? value.map(membersOf) : [];
}

function membersOf(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
