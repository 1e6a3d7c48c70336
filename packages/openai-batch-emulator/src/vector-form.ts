import { isObject } from './answers/request-text.ts';
import type { JsonObject } from './answers/answer.ts';
import { VectorForm } from './faults/line-fault.ts';

/** The body of an answer to several inputs of embeddings, with another list of vectors; other bodies are unchanged. */
export function inVectorForm(body: JsonObject, form: VectorForm): JsonObject {
  const { data } = body;
  return Array.isArray(data) && data.length > 1
    ? { ...body, data: listIn(form, data.filter(isObject)) }
    : body;
}

function listIn(form: VectorForm, vectors: readonly JsonObject[]): JsonObject[] {
  switch (form) {
    case VectorForm.reversed:
      return vectors.toReversed();
    case VectorForm.noIndex:
      return vectors.map(({ object, embedding }) => ({ object, embedding }));
    case VectorForm.fewer:
      return vectors.slice(1).map((vector, index) => ({ ...vector, index }));
    case VectorForm.more:
      return [...vectors, { ...vectors[0], index: vectors.length }];
    case VectorForm.repeatedIndex:
      return vectors.map((vector) => ({ ...vector, index: 0 }));
    default:
      return form satisfies never;
  }
}
