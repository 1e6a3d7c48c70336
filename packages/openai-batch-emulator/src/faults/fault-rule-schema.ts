import * as z from 'zod';
import { BatchObjectForm, ContentForm, ResultFileForm } from './batch-fault.ts';
import { CallKind } from './call-fault.ts';
import { AnswerForm, UnreadableForm, VectorForm, WrongAnswer } from './line-fault.ts';
import type { BatchFault } from './batch-fault.ts';
import type { CallFault } from './call-fault.ts';
import type { FaultRule } from './fault-rule.ts';
import type { FileFault } from './file-fault.ts';
import type { LineFault } from './line-fault.ts';

const fraction = z.number().min(0).max(1);
const seconds = z.number().min(0);
const moment = z.enum(['before', 'after']);

export const callFaultSchema: z.ZodType<CallFault> = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('status'),
    status: z.int().min(200).max(599),
    when: moment.optional(),
    body: z.enum(['json', 'text', 'html']).optional(),
    message: z.string().optional(),
    code: z.string().optional(),
    retryAfterSeconds: seconds.optional(),
  }),
  z.strictObject({
    kind: z.literal('reset'),
    when: z.enum(['before', 'during', 'after']).optional(),
    afterBytes: z.int().min(0).optional(),
  }),
  z.strictObject({ kind: z.literal('hold'), when: moment.optional(), ms: z.number().min(0).optional() }),
  z.strictObject({
    kind: z.literal('stall'),
    afterFraction: fraction.optional(),
    ms: z.number().min(0).optional(),
  }),
  z.strictObject({
    kind: z.literal('truncate'),
    afterFraction: fraction.optional(),
    clean: z.boolean().optional(),
  }),
  z.strictObject({
    kind: z.literal('slow'),
    pieces: z.int().min(1).max(1000).optional(),
    ms: z.number().min(0).optional(),
  }),
  z.strictObject({ kind: z.literal('endless_paging') }),
  z.strictObject({ kind: z.literal('no_has_more') }),
  z.strictObject({ kind: z.literal('repeated_page') }),
  z.strictObject({ kind: z.literal('summary_list'), without: z.array(z.string()).optional() }),
  z.strictObject({
    kind: z.literal('too_large'),
    bytes: z.int().min(0),
    body: z.enum(['json', 'html']).optional(),
    message: z.string().optional(),
    code: z.string().optional(),
  }),
]);

const refusal = {
  status: z.int().min(400).max(599),
  code: z.string().optional(),
  message: z.string().optional(),
};
const wrongBytes = {
  kind: z.literal('bytes'),
  value: z.int().min(0).optional(),
  add: z.int().optional(),
};
const resultFiles = z.enum(['output', 'error', 'both']).optional();

export const fileFaultSchema: z.ZodType<FileFault> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('not_found'), seconds }),
  z.strictObject(wrongBytes),
  z.strictObject({ kind: z.literal('refused'), ...refusal }),
]);

export const batchFaultSchema: z.ZodType<BatchFault> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('expire'), afterFraction: fraction }),
  z.strictObject({ kind: z.literal('cancel'), afterFraction: fraction }),
  z.strictObject({
    kind: z.literal('stuck'),
    status: z.enum(['validating', 'in_progress', 'finalizing', 'cancelling']),
    seconds: seconds.optional(),
    afterFraction: fraction.optional(),
  }),
  z.strictObject({
    kind: z.literal('fail'),
    errors: z.array(
      z.strictObject({
        code: z.string(),
        message: z.string(),
        param: z.string().nullish(),
        line: z.int().nullish(),
      }),
    ),
  }),
  z.strictObject({ kind: z.literal('never_expires') }),
  z.strictObject({
    kind: z.literal('output_file_id'),
    value: z.enum(['missing', 'empty', 'late']),
    seconds: seconds.optional(),
    files: z.enum(['output', 'both']).optional(),
  }),
  z.strictObject({ kind: z.literal('object_form'), form: z.enum(BatchObjectForm) }),
  z.strictObject({ kind: z.literal('file_form'), form: z.enum(ResultFileForm) }),
  z.strictObject({
    kind: z.literal('counts'),
    total: z.int().optional(),
    completed: z.int().optional(),
    failed: z.int().optional(),
    seconds: seconds.optional(),
  }),
  z.strictObject({ kind: z.literal('refused'), ...refusal }),
  z.strictObject({ kind: z.literal('stale_in_list'), seconds: seconds.optional() }),
  z.strictObject({ kind: z.literal('moves_when_read') }),
  z.strictObject({ kind: z.literal('capped_errors'), most: z.int().min(0) }),
  z.strictObject({ kind: z.literal('errors_without_line') }),
  z.strictObject({ kind: z.literal('status_words'), words: z.record(z.string(), z.string()) }),
  z.strictObject({ ...wrongBytes, files: resultFiles }),
  z.strictObject({
    kind: z.literal('content'),
    as: z.enum(ContentForm),
    seconds: seconds.optional(),
    reads: z.int().min(1).optional(),
    files: resultFiles,
  }),
  z.strictObject({ kind: z.literal('content_refused'), ...refusal, files: resultFiles }),
  z.strictObject({ kind: z.literal('hidden_in_list'), seconds }),
  z.strictObject({ kind: z.literal('not_found'), seconds }),
  z.strictObject({ kind: z.literal('end_unseen'), seconds }),
  z.strictObject({
    kind: z.literal('webhook'),
    lost: z.boolean().optional(),
    copies: z.int().min(1).max(100).optional(),
    afterSeconds: seconds.optional(),
  }),
  z.strictObject({ kind: z.literal('early_file_ids') }),
  z.strictObject({ kind: z.literal('empty_error_file') }),
  z.strictObject({ kind: z.literal('no_last_newline') }),
  z.strictObject({ kind: z.literal('stranger_rows'), rows: z.int().min(1).max(1000) }),
  z.strictObject({
    kind: z.literal('repeated_rows'),
    rows: z.int().min(1).max(1000),
    as: z.enum(['same', 'error_before', 'error_after']).optional(),
  }),
  z.strictObject({
    kind: z.literal('output_gone'),
    afterSeconds: seconds.optional(),
    files: z.enum(['output', 'both']).optional(),
  }),
]);

const lineFaultSchema: z.ZodType<LineFault> = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('status'),
    status: z.int().min(0).max(599),
    code: z.string().optional(),
    message: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal('lost'), paid: z.boolean().optional() }),
  z.strictObject({
    kind: z.literal('error_body'),
    code: z.string().optional(),
    message: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal('request_timeout') }),
  z.strictObject({ kind: z.literal('answer_form'), form: z.enum(AnswerForm) }),
  z.strictObject({ kind: z.literal('vector_form'), form: z.enum(VectorForm) }),
  z.strictObject({
    kind: z.literal('wrong_answer'),
    as: z.enum(WrongAnswer),
    unlessFeedback: z.boolean().optional(),
  }),
  z.strictObject({
    kind: z.literal('unreadable_row'),
    form: z.enum(UnreadableForm),
    depth: z.int().min(1).max(1_000_000).optional(),
  }),
]);

const condition = {
  id: z.string().min(1).optional(),
  nth: z.union([z.int().min(1), z.array(z.int().min(1)).min(1)]).optional(),
  count: z.int().min(1).optional(),
  probability: fraction.optional(),
  seconds: seconds.optional(),
};
const callKind = z.enum(CallKind);

/** Parses unknown JSON into a rule; the error names the wrong field. */
export const faultRuleSchema: z.ZodType<FaultRule> = z.discriminatedUnion('on', [
  z.strictObject({
    on: z.literal('call'),
    ...condition,
    call: z.union([z.literal('*'), callKind, z.array(callKind).min(1)]),
    fault: callFaultSchema,
  }),
  z.strictObject({ on: z.literal('file'), ...condition, fault: fileFaultSchema }),
  z.strictObject({
    on: z.literal('batch'),
    ...condition,
    metadata: z.record(z.string(), z.string()).optional(),
    fault: batchFaultSchema,
  }),
  z.strictObject({
    on: z.literal('line'),
    id: condition.id,
    seconds: condition.seconds,
    fraction: fraction.optional(),
    customId: z.union([z.string(), z.array(z.string())]).optional(),
    executions: z.int().min(1).nullish(),
    fault: lineFaultSchema,
  }),
]);
