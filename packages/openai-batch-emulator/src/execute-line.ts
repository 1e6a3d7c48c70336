import { answerRequest } from './answers/answer-request.ts';
import type { Answer } from './answers/answer.ts';
import type { BatchEndpoint } from './answers/batch-endpoint.ts';
import type { PromptCache } from './answers/prompt-cache.ts';
import { assertContext, assertRequest } from './assert-request.ts';
import type { ContextLimits } from './assert-request.ts';
import { ApiError, toEnvelope } from './api-error.ts';
import { AnswerForm } from './faults/line-fault.ts';
import type { LineFault } from './faults/line-fault.ts';
import { errorBody, responseRow, notExecutedRow } from './result-row.ts';
import { unreadableRow } from './unreadable-row.ts';
import { inVectorForm } from './vector-form.ts';
import { hasAssistantMessage, wrongAnswer } from './wrong-answer.ts';
import type { RowIds } from './result-row.ts';

/** The result of executing one line. */
export interface LineOutcome {
  /** The row and its file; absent for the fault `lost`. */
  row: { text: string | Buffer; file: 'output' | 'error' } | undefined;
  /** The member of `request_counts` that counts the line. */
  counted: 'completed' | 'failed';
  paid: boolean;
  inputTokens: number;
  outputTokens: number;
  cachedTokens: number;
  cacheWriteTokens: number;
}

export interface LineContext {
  endpoint: BatchEndpoint;
  ids: RowIds;
  createdAt: number;
  contextTokens: ContextLimits;
  cache: PromptCache;
}

/** Executes one request line, or makes it fail as its fault specifies. */
export function executeLine(
  body: Record<string, unknown>,
  context: LineContext,
  fault: LineFault | undefined,
): LineOutcome {
  if (fault === undefined) return answered(body, context);
  switch (fault.kind) {
    case 'status': {
      const { status } = fault;
      // Users have found rows with status 0 in output files, counted as completed: the request got no answer.
      if (status === 0) return unpaid('completed', responseRow(context.ids, 0, 'null'), 'output');
      const refusal = errorBody(status, fault.code, fault.message);
      return unpaid('failed', responseRow(context.ids, status, refusal), 'error');
    }
    case 'error_body': {
      const refusal = errorBody(500, fault.code, fault.message);
      return unpaid('completed', responseRow(context.ids, 200, refusal), 'output');
    }
    case 'request_timeout':
      return unpaid('failed', notExecutedRow(context.ids, 'request_timeout'), 'error');
    case 'lost':
      if (fault.paid) return { ...answered(body, context), row: undefined };
      return { ...unpaid('completed', '', 'output'), row: undefined };
    case 'answer_form':
      return answeredInForm(fault.form, body, context);
    case 'wrong_answer':
      return answeredWrongly(body, context, fault);
    case 'vector_form':
      return answeredWithVectors(body, context, fault);
    case 'unreadable_row':
      return unreadable(answered(body, context), fault);
    default:
      return fault satisfies never;
  }
}

/** The row of the answer, or of the endpoint's error. */
function answered(body: Record<string, unknown>, context: LineContext): LineOutcome {
  const { ids } = context;
  const answer = answerOrRefusal(body, context);
  if (answer instanceof ApiError)
    return unpaid('failed', responseRow(ids, answer.status, JSON.stringify(toEnvelope(answer))), 'error');
  return paid(answer, responseRow(ids, 200, JSON.stringify(answer.body)));
}

function answerOrRefusal(body: Record<string, unknown>, context: LineContext): Answer | ApiError {
  const { ids, createdAt, endpoint, cache, contextTokens } = context;
  try {
    assertRequest(endpoint, body);
    const answer = answerRequest(endpoint, body, {
      token: ids.rowId.slice('batch_req_'.length),
      createdAt,
      cache,
    });
    assertContext(endpoint, body, answer.inputTokens, contextTokens);
    return answer;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}

/** The row of a paid answer that is wrong. */
function answeredWrongly(
  body: Record<string, unknown>,
  context: LineContext,
  { as, unlessFeedback = false }: Extract<LineFault, { kind: 'wrong_answer' }>,
): LineOutcome {
  const answer = answerOrRefusal(body, context);
  if (answer instanceof ApiError || (unlessFeedback && hasAssistantMessage(body)))
    return answered(body, context);
  return paid(answer, responseRow(context.ids, 200, JSON.stringify(wrongAnswer(answer.body, as))));
}

/** The row of a paid answer with another list of vectors. */
function answeredWithVectors(
  body: Record<string, unknown>,
  context: LineContext,
  { form }: Extract<LineFault, { kind: 'vector_form' }>,
): LineOutcome {
  const answer = answerOrRefusal(body, context);
  if (answer instanceof ApiError) return answered(body, context);
  return paid(answer, responseRow(context.ids, 200, JSON.stringify(inVectorForm(answer.body, form))));
}

/** Makes the row of an answer break a rule of JSON or UTF-8; the row of an error is not changed. */
function unreadable(
  outcome: LineOutcome,
  fault: Extract<LineFault, { kind: 'unreadable_row' }>,
): LineOutcome {
  const text = outcome.row?.text;
  if (!outcome.paid || typeof text !== 'string') return outcome;
  return { ...outcome, row: { text: unreadableRow(text, fault.form, fault.depth), file: 'output' } };
}

function paid(answer: Answer, text: string): LineOutcome {
  return {
    row: { text, file: 'output' },
    counted: 'completed',
    paid: true,
    inputTokens: answer.inputTokens,
    outputTokens: answer.outputTokens,
    cachedTokens: answer.cachedTokens ?? 0,
    cacheWriteTokens: answer.cacheWriteTokens ?? 0,
  };
}

function answeredInForm(form: AnswerForm, body: Record<string, unknown>, context: LineContext): LineOutcome {
  const { ids } = context;
  const answer = answerOrRefusal(body, context);
  if (answer instanceof ApiError) return answered(body, context);
  const json = JSON.stringify(answer.body);
  const as = (text: string): LineOutcome => paid(answer, text);
  const text = responseRow(ids, 200, json);
  switch (form) {
    case AnswerForm.string:
      return as(responseRow(ids, 200, JSON.stringify(json)));
    case AnswerForm.doubleString:
      return as(responseRow(ids, 200, JSON.stringify(JSON.stringify(json))));
    case AnswerForm.markedString:
      return as(responseRow(ids, 200, JSON.stringify(`\uFEFF${json}\n`)));
    case AnswerForm.textStatus:
      return as(text.replace('"status_code":200', '"status_code":"200"'));
    case AnswerForm.noStatus:
      return as(text.replace('"status_code":200,', ''));
    case AnswerForm.emptyError:
      return as(
        responseRow(ids, 200, JSON.stringify({ ...answer.body, error: {} })).replace(
          /"error":null\}\n$/,
          '"error":{}}\n',
        ),
      );
    case AnswerForm.numberId:
      return as(
        text.replace(`"custom_id":${JSON.stringify(ids.customId)}`, `"custom_id":${Number(ids.customId)}`),
      );
    case AnswerForm.failedResponse: {
      const error = { code: 'server_error', message: 'The model failed to answer.' };
      const failed = JSON.stringify({ ...answer.body, status: 'failed', error, output: [] });
      return unpaid('completed', responseRow(ids, 200, failed), 'output');
    }
    case AnswerForm.incompleteResponse:
      return as(
        responseRow(
          ids,
          200,
          JSON.stringify({
            ...answer.body,
            status: 'incomplete',
            incomplete_details: { reason: 'max_output_tokens' },
          }),
        ),
      );
    default:
      return form satisfies never;
  }
}

function unpaid(counted: 'completed' | 'failed', text: string, file: 'output' | 'error'): LineOutcome {
  return {
    row: { text, file },
    counted,
    paid: false,
    inputTokens: 0,
    outputTokens: 0,
    cachedTokens: 0,
    cacheWriteTokens: 0,
  };
}
