/**
 * Values of a row for a template. Numbers are written as they stand in the row: JavaScript would change 9007199254740993 and 1.0.
 */

/** A number that JavaScript would print differently; it counts as a number in comparisons and arithmetic. */
class RowNumber {
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }

  valueOf(): number {
    return Number(this.text);
  }

  // liquidjs compares values that have these five methods with them.
  /** 1.0 and 1 are equal; integers beyond 2^53 are equal if their digits are. */
  equals(other: unknown): boolean {
    const isInexact = /^-?\d+$/.test(this.text) && !Number.isSafeInteger(Number(this.text));
    if (isInexact) return String(other) === this.text;
    return Number(this.text) === (other instanceof RowNumber ? Number(other.text) : other);
  }

  gt(other: unknown): boolean {
    return this.valueOf() > Number(other);
  }

  geq(other: unknown): boolean {
    return this.valueOf() >= Number(other);
  }

  lt(other: unknown): boolean {
    return this.valueOf() < Number(other);
  }

  leq(other: unknown): boolean {
    return this.valueOf() <= Number(other);
  }
}

/** The value of JSON that is known to be valid; its numbers print as they stand there. */
export function toLiquidValue(json: string): unknown {
  const isContainer = json.startsWith('{') || json.startsWith('[');
  if (!isContainer) return scalarOf(json);
  const parsed = JSON.parse(json) as unknown;
  return JSON.stringify(parsed) === json ? parsed : new ExactReader(json).value();
}

/** The JSON of a value; a `RowNumber` is written as it stands in the row. */
export function toExactJson(value: unknown): string {
  if (value instanceof RowNumber) return value.toString();
  if (Array.isArray(value)) return `[${value.map(toExactJson).join(',')}]`;
  if (!isPlainObject(value)) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value).map(
    ([key, member]) => `${JSON.stringify(key)}:${toExactJson(member)}`,
  );
  return `{${members.join(',')}}`;
}

/** True for the objects of JSON, and not for those of liquidjs. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function scalarOf(json: string): unknown {
  const first = json.charCodeAt(0);
  const isNumber = first === 0x2d || (first >= 0x30 && first <= 0x39);
  if (!isNumber) return JSON.parse(json);
  const value = Number(json);
  return String(value) === json ? value : new RowNumber(json);
}

/** Reads a list or object of valid JSON, and keeps the text of its numbers. */
class ExactReader {
  private readonly json: string;
  private at = 0;

  constructor(json: string) {
    this.json = json;
  }

  value(): unknown {
    switch (this.next()) {
      case '{':
        return this.object();
      case '[':
        return this.list();
      default:
        return scalarOf(this.scalar());
    }
  }

  private object(): unknown {
    const members: [string, unknown][] = [];
    for (this.at += 1; this.next() !== '}'; this.skipComma()) {
      const key = JSON.parse(this.scalar()) as string;
      this.next();
      this.at += 1; // the colon
      members.push([key, this.value()]);
    }
    this.at += 1;
    return Object.fromEntries(members);
  }

  private list(): unknown[] {
    const items: unknown[] = [];
    for (this.at += 1; this.next() !== ']'; this.skipComma()) items.push(this.value());
    this.at += 1;
    return items;
  }

  /** Skips white space; returns the next character. */
  private next(): string {
    while (/\s/.test(this.json[this.at]!)) this.at += 1;
    return this.json[this.at]!;
  }

  private skipComma(): void {
    if (this.next() === ',') this.at += 1;
  }

  /** The text of the string, number or word at this place. */
  private scalar(): string {
    const start = this.at;
    if (this.json[start] !== '"') {
      while (this.at < this.json.length && !/[\s,\]}]/.test(this.json[this.at]!)) this.at += 1;
    } else {
      for (this.at += 1; this.json[this.at] !== '"'; this.at += 1)
        if (this.json[this.at] === '\\') this.at += 1;
      this.at += 1;
    }
    return this.json.slice(start, this.at);
  }
}
