import { WrongAnswer } from './faults/line-fault.ts';
import type { JsonObject } from './answers/answer.ts';
import { isObject } from './answers/request-text.ts';

const REFUSAL = "I'm sorry, I can't help with that.";

/** How a wrong answer ends, and its text or refusal. */
interface WrongEnd {
  text: string | null;
  refusal: string | null;
  stop: 'stop' | 'length' | 'content_filter';
}

/** The body of an answer of chat completions or responses, changed so that it is wrong; other bodies are unchanged. */
export function wrongAnswer(body: JsonObject, as: WrongAnswer): JsonObject {
  if (Array.isArray(body['choices']))
    return { ...body, choices: body['choices'].map((choice) => wrongChoice(choice as JsonObject, as)) };
  return body['object'] === 'response' ? wrongResponse(body, as) : body;
}

/** Whether a request has an assistant message: it has feedback on an earlier answer. */
export function hasAssistantMessage(request: JsonObject): boolean {
  const turns = request['messages'] ?? request['input'];
  return Array.isArray(turns) && turns.some((turn) => isObject(turn) && turn['role'] === 'assistant');
}

function endOf(text: string, as: WrongAnswer): WrongEnd {
  switch (as) {
    case WrongAnswer.misfit:
      return { text: JSON.stringify({ unexpected: true }), refusal: null, stop: 'stop' };
    case WrongAnswer.prose:
      return { text: `Here is the answer: ${text}`, refusal: null, stop: 'stop' };
    case WrongAnswer.refusal:
      return { text: null, refusal: REFUSAL, stop: 'stop' };
    case WrongAnswer.cut:
      return { text: text.slice(0, text.length >> 1), refusal: null, stop: 'length' };
    case WrongAnswer.filtered:
      return { text: '', refusal: null, stop: 'content_filter' };
    default:
      return as satisfies never;
  }
}

function wrongChoice(choice: JsonObject, as: WrongAnswer): JsonObject {
  const message = choice['message'] as JsonObject;
  const { text, refusal, stop } = endOf(textOf(message['content']), as);
  return { ...choice, message: { ...message, content: text, refusal }, finish_reason: stop };
}

function wrongResponse(body: JsonObject, as: WrongAnswer): JsonObject {
  const output = (body['output'] as JsonObject[]).map((item) => {
    if (item['type'] !== 'message') return item;
    const [part = {}] = item['content'] as JsonObject[];
    const { text, refusal } = endOf(textOf(part['text']), as);
    return { ...item, content: [refusal === null ? { ...part, text } : { type: 'refusal', refusal }] };
  });
  const { stop } = endOf('', as);
  if (stop === 'stop') return { ...body, output };
  const reason = stop === 'length' ? 'max_output_tokens' : stop;
  return { ...body, output, status: 'incomplete', incomplete_details: { reason } };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
