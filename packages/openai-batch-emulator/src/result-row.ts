import { typeOfStatus } from './api-error.ts';

/** Writes the rows of output and error files, each with its newline. */

/** The row of a request that was executed, with any status; `bodyJson` is JSON text. */
export function responseRow(ids: RowIds, statusCode: number, bodyJson: string): string {
  return `{"id":"${ids.rowId}","custom_id":${JSON.stringify(ids.customId)},"response":{"status_code":${statusCode},"request_id":"${ids.requestId}","body":${bodyJson}},"error":null}\n`;
}

/** The row of a request that was not executed. */
export function notExecutedRow(ids: RowIds, code: NotExecutedCode): string {
  const error = JSON.stringify({ code, message: NOT_EXECUTED_MESSAGES[code] });
  return `{"id":"${ids.rowId}","custom_id":${JSON.stringify(ids.customId)},"response":null,"error":${error}}\n`;
}

export interface RowIds {
  rowId: string;
  requestId: string;
  customId: string;
}

export type NotExecutedCode = keyof typeof NOT_EXECUTED_MESSAGES;

const NOT_EXECUTED_MESSAGES = {
  batch_expired: 'This request could not be executed before the completion window expired.',
  batch_cancelled: 'This request was cancelled before it could be executed.',
  request_timeout: 'This request timed out before it could be completed.',
} as const;

/** The error body of an endpoint, as JSON text. */
export function errorBody(status: number, code: string | undefined, message: string | undefined): string {
  const known = KNOWN_ERRORS.find((error) => error.status === status && (code ?? error.code) === error.code);
  return JSON.stringify({
    error: {
      message: message ?? known?.message ?? `The request failed with status ${status}.`,
      type: known?.type ?? typeOfStatus(status),
      param: null,
      code: code ?? known?.code ?? null,
    },
  });
}

/** The first entry of a status is its default code. */
const KNOWN_ERRORS: readonly { status: number; code: string; message: string; type?: string }[] = [
  {
    status: 400,
    code: 'invalid_prompt',
    message: 'Invalid prompt: your prompt was flagged as potentially unsafe.',
  },
  {
    status: 400,
    code: 'billing_hard_limit_reached',
    message: 'Billing hard limit has been reached.',
    type: 'billing_limit_user_error',
  },
  { status: 401, code: 'invalid_api_key', message: 'Incorrect API key provided.' },
  {
    status: 404,
    code: 'model_not_found',
    message: 'The model does not exist or you do not have access to it.',
  },
  {
    status: 429,
    code: 'rate_limit_exceeded',
    message: 'Rate limit reached. Please try again later.',
  },
  {
    status: 429,
    code: 'insufficient_quota',
    message: 'You exceeded your current quota, please check your plan and billing details.',
    type: 'insufficient_quota',
  },
  {
    status: 500,
    code: 'server_error',
    message: 'The server had an error while processing your request. Sorry about that!',
  },
];
