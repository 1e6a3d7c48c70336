/** Checks whether a namespace has our search attributes, and registers them. */
import type { Connection } from '@temporalio/client';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { searchAttributes } from '../core/search-attributes.ts';
import type { TemporalTarget } from './temporal-target.ts';

/** A server with several frontends knows new attributes within a minute; until then it refuses queries with them. */
const USABLE_MS = 90_000;
const RETRY_MS = 500;

/** A namespace without the attributes is checked again after this long, since an operator may have run `setup`. */
const CHECK_AGAIN_MS = 60_000;

const attributes = Object.values(searchAttributes);

/** The attributes in the syntax of Temporal's command line: `DurableBatchStatus=Keyword`. */
export const attributeFlags: readonly string[] = attributes.map(
  ({ name, type }) => `${name}=${typeName(type)}`,
);

const checks = new Map<string, { readonly searchable: Promise<boolean>; readonly at: number }>();

/**
 * True when jobs of the namespace can have our search attributes. Registers them on the embedded server, whose database may be
 * older than the attributes. Checks once per process and namespace; a negative result is checked again after a minute.
 */
export async function isSearchable(connection: Connection, target: TemporalTarget): Promise<boolean> {
  const { namespace } = target;
  const key = `${target.connection.address} ${namespace}`;
  const before = checks.get(key);
  if (before !== undefined && ((await before.searchable) || Date.now() - before.at < CHECK_AGAIN_MS))
    return await before.searchable;
  const check = async (): Promise<boolean> => {
    if (await acceptsQuery(connection, namespace)) return true;
    if (target.kind !== 'embedded') return false;
    await registerSearchAttributes(connection, target);
    return true;
  };
  // If the server is unavailable, the caller's next call reports it; an error here only leaves a job without attributes.
  const searchable = check().catch(() => false);
  checks.set(key, { searchable, at: Date.now() });
  return await searchable;
}

/** The attributes that were registered now, and those that already existed. */
export interface Registration {
  readonly added: readonly string[];
  readonly present: readonly string[];
}

/**
 * Registers the missing search attributes of a namespace, and waits until they can be used. Can be called repeatedly.
 * @throws BatchError `temporal_unavailable` when the server refuses; the message contains the commands to run instead
 */
export async function registerSearchAttributes(
  connection: Connection,
  target: TemporalTarget,
): Promise<Registration> {
  const { namespace } = target;
  if (await acceptsQuery(connection, namespace))
    return { added: [], present: attributes.map(({ name }) => name) };
  const { typeOf } = await codec();
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = attributes.filter(({ name }) => !Object.hasOwn(customAttributes, name));
    const wrong = attributes.filter(
      ({ name, type }) => Object.hasOwn(customAttributes, name) && customAttributes[name] !== typeOf(type),
    );
    if (wrong.length > 0) throw wrongTypes(namespace, wrong);
    if (missing.length > 0) await add(connection, namespace, missing);
    await untilUsable(connection, namespace);
    const added = missing.map(({ name }) => name);
    return { added, present: attributes.map(({ name }) => name).filter((name) => !added.includes(name)) };
  } catch (error) {
    if (error instanceof BatchError) throw error;
    // No `cause`: gRPC errors contain the request's metadata, and with it the API key.
    throw new BatchError(ErrorCode.TemporalUnavailable, notRegistered(target, error));
  }
}

type Attribute = (typeof attributes)[number];

async function add(connection: Connection, namespace: string, missing: readonly Attribute[]): Promise<void> {
  const { typeOf } = await codec();
  const types = Object.fromEntries(missing.map(({ name, type }) => [name, typeOf(type)!]));
  try {
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes: types });
  } catch (error) {
    // Another process was faster; `untilUsable` checks whether all exist now.
    if (codeOf(error) !== ALREADY_EXISTS) throw error;
  }
}

/** One read that any user of the namespace may make; the server refuses a query with an unknown attribute. */
async function acceptsQuery(connection: Connection, namespace: string): Promise<boolean> {
  const query = attributes.map(({ name }) => `${name} = '-'`).join(' AND ');
  try {
    await connection.workflowService.countWorkflowExecutions({ namespace, query });
    return true;
  } catch (error) {
    if (codeOf(error) === INVALID_ARGUMENT) return false;
    throw error;
  }
}

async function untilUsable(connection: Connection, namespace: string): Promise<void> {
  const deadline = Date.now() + USABLE_MS;
  while (!(await acceptsQuery(connection, namespace))) {
    if (Date.now() > deadline) {
      throw new BatchError(
        ErrorCode.TemporalUnavailable,
        `The search attributes of namespace ${namespace} are registered, but the whole server does not know them yet: run \`durable-batch setup\` again in a few minutes.`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

const INVALID_ARGUMENT = 3;
const ALREADY_EXISTS = 6;

function codeOf(error: unknown): number | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && typeof cause.code === 'number') return cause.code;
  return null;
}

/** Imported only when needed: it takes half a second. */
async function codec(): Promise<{ typeOf: (type: Attribute['type']) => number | undefined }> {
  const { encodeSearchAttributeIndexedValueType } =
    await import('@temporalio/common/lib/search-attributes.js');
  return { typeOf: encodeSearchAttributeIndexedValueType };
}

function wrongTypes(namespace: string, wrong: readonly Attribute[]): BatchError {
  const names = wrong.map(({ name, type }) => `${name} (must be ${typeName(type)})`).join(', ');
  return new BatchError(
    ErrorCode.TemporalUnavailable,
    `Namespace ${namespace} has search attributes with our names but other types: ${names}. Remove or rename them, then run \`durable-batch setup\` again; jobs run without them.`,
  );
}

function notRegistered({ connection: { address }, namespace }: TemporalTarget, error: unknown): string {
  const lines = attributes.map(
    ({ name, type }) =>
      `  temporal operator search-attribute create --namespace ${namespace} --name ${name} --type ${typeName(type)}`,
  );
  return [
    `The Temporal server at ${address} did not register search attributes in namespace ${namespace} (${reasonOf(error)}). Jobs run without them. Ask the operator of the server to run:`,
    ...lines,
    'or, in Temporal Cloud:',
    `  tcld namespace search-attributes add --namespace ${namespace} ${attributeFlags.map((flag) => `--search-attribute "${flag}"`).join(' ')}`,
  ].join('\n');
}

/** Returns the server's message, which does not contain the request or the key. */
function reasonOf(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('details' in cause && typeof cause.details === 'string' && cause.details !== '') return cause.details;
  return `gRPC code ${codeOf(error) ?? 'unknown'}`;
}

/** The name of a type in Temporal's command line: `KeywordList` for `KEYWORD_LIST`. */
function typeName(type: Attribute['type']): string {
  return type === 'KEYWORD' ? 'Keyword' : 'KeywordList';
}
