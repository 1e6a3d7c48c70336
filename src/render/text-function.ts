/**
 * Templates of texts, outputs, filters, `if`, `unless` and `assign` as plain functions. liquidjs runs a generator for each value, which
 * takes ten times as long. The functions have the same results, or throw where liquidjs has to decide: on errors, on members
 * that a value lacks, and on values of its own.
 */
import {
  AssignTag,
  CommentTag,
  Context,
  IfTag,
  InlineCommentTag,
  Output,
  TokenKind,
  toValue,
  toValueSync,
  UnlessTag,
  type Liquid,
  type Template,
  type Token,
  type Value,
} from './liquid.ts';
import { isPlainObject } from './row-value.ts';

/** The names that a template may use for a row. */
interface Names {
  readonly columns: Readonly<Record<string, unknown>>;
  /** Those that it has assigned. */
  readonly assigned: Record<string, unknown>;
}

type Run<T> = (names: Names) => T;

/** Returns a function that renders a template for columns; null if liquidjs has to render it. The function may throw. */
export function toTextFunction(
  templates: Template[],
  engine: Liquid,
): ((columns: Readonly<Record<string, unknown>>) => string) | null {
  const compiler = new Compiler(engine);
  try {
    const run = compiler.texts(templates);
    return (columns) => {
      compiler.begin();
      return run({ columns, assigned: Object.create(null) as Record<string, unknown> });
    };
  } catch (error) {
    if (error === needsLiquid) return null;
    throw error;
  }
}

/** Thrown where liquidjs has to decide. */
const needsLiquid = new Error('liquidjs decides');

class Compiler {
  private readonly engine: Liquid;
  private readonly context: Context;

  constructor(engine: Liquid) {
    this.engine = engine;
    this.context = new Context({}, engine.options, { sync: true });
  }

  /** Begins a row: the limit of what filters may create is one per row. */
  begin(): void {
    (this.context.memoryLimit as unknown as { base: number }).base = 0;
  }

  texts(templates: readonly Template[]): Run<string> {
    const parts = templates.map((template) => this.text(template));
    return (names) => {
      let text = '';
      for (const part of parts) text += typeof part === 'string' ? part : part(names);
      return text;
    };
  }

  private text(template: Template): string | Run<string> {
    const { token } = template as { token: Token & { getContent?: () => string } };
    if (token.kind === TokenKind.HTML) return token.getContent!();
    if (template instanceof Output) {
      const value = this.value(template.value);
      return (names) => toText(toValue(value(names)));
    }
    if (template instanceof IfTag || template instanceof UnlessTag) return this.choice(template);
    if (template instanceof AssignTag) {
      const { key, value } = template as unknown as { key: string; value: Value };
      const run = this.value(value);
      return ({ assigned, columns }) => {
        assigned[key] = run({ assigned, columns });
        return '';
      };
    }
    if (template instanceof CommentTag || template instanceof InlineCommentTag) return '';
    throw needsLiquid;
  }

  private choice(tag: IfTag | UnlessTag): Run<string> {
    const branches = tag.branches.map(({ value, templates }, i) => ({
      value: this.value(value),
      isWanted: !(i === 0 && tag instanceof UnlessTag),
      run: this.texts(templates),
    }));
    const otherwise = this.texts(tag.elseTemplates ?? []);
    return (names) => {
      for (const { value, isWanted, run } of branches)
        if (isTrue(value(names)) === isWanted) return run(names);
      return otherwise(names);
    };
  }

  private value({ initial, filters }: Value): Run<unknown> {
    const stack: Run<unknown>[] = [];
    for (const token of initial.postfix) stack.push(this.operand(token, stack));
    if (stack.length !== 1) throw needsLiquid;
    return filters.reduce((run, filter) => this.filter(run, filter), stack[0]!);
  }

  private operand(token: Token, stack: Run<unknown>[]): Run<unknown> {
    if (token.kind !== TokenKind.Operator) return this.constantOrName(token);
    const { operator } = token as Token & { operator: string };
    const right = stack.pop()!;
    if (operator === 'not') return (names) => !isTrue(right(names));
    const left = stack.pop()!;
    const generic = this.engine.options.operators[operator] as (
      l: unknown,
      r: unknown,
      c: Context,
    ) => unknown;
    return (names) => {
      const [l, r] = [left(names), right(names)];
      if (typeof l === 'number' && typeof r === 'number') {
        if (operator === '>') return l > r;
        if (operator === '<') return l < r;
        if (operator === '>=') return l >= r;
        if (operator === '<=') return l <= r;
      }
      if (operator === '==' && typeof l === 'string' && typeof r === 'string') return l === r;
      if (operator === 'and') return isTrue(l) && isTrue(r);
      if (operator === 'or') return isTrue(l) || isTrue(r);
      return toValueSync(generic(l, r, this.context) as never);
    };
  }

  private constantOrName(token: Token): Run<unknown> {
    if ('content' in token) {
      const { content } = token;
      return () => content;
    }
    if (token.kind !== TokenKind.PropertyAccess) throw needsLiquid;
    const { variable, props } = token as Token & {
      variable: unknown;
      props: readonly { content?: unknown }[];
    };
    const path = props.map(({ content }) => content);
    const [name, ...members] = path;
    if (variable !== undefined || !path.every((part) => typeof part === 'string')) throw needsLiquid;
    return ({ assigned, columns }) => {
      let value = memberOf((name as string) in assigned ? assigned : columns, name as string);
      for (const member of members) value = memberOf(value, member as string);
      return value;
    };
  }

  private filter(run: Run<unknown>, filter: Value['filters'][number]): Run<unknown> {
    const { handler, token } = filter as unknown as {
      handler: (...args: unknown[]) => unknown;
      token: Token;
    };
    // Others are generators.
    if (handler.constructor !== Function) throw needsLiquid;
    const args = (filter.args as readonly (Token | readonly [string, Token])[]).map((arg) => {
      if (!isNamed(arg)) return this.constantOrName(arg);
      const value = this.constantOrName(arg[1]);
      return (names: Names) => [arg[0], value(names)];
    });
    const self = { context: this.context, token, liquid: this.engine };
    return (names) => {
      const result = handler.call(self, run(names), ...args.map((arg) => arg(names)));
      if (typeof (result as { next?: unknown } | null | undefined)?.next === 'function') throw needsLiquid;
      return result;
    };
  }
}

/** True for an argument with a name, as in `default: 1, allow_false: true`. */
function isNamed(arg: Token | readonly [string, Token]): arg is readonly [string, Token] {
  return Array.isArray(arg);
}

function memberOf(value: unknown, name: string): unknown {
  const member = isPlainObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  if (member === undefined) throw needsLiquid;
  return member;
}

function isTrue(value: unknown): boolean {
  const plain: unknown = toValue(value);
  return plain !== false && plain !== null && plain !== undefined;
}

function toText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) throw needsLiquid;
  return (value as { toString(): string }).toString();
}
