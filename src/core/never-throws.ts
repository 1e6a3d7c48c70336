/**
 * Wraps an object so that its methods never throw and never reject: a failure of logs or metrics must not stop the work that
 * they report on. A failed call returns undefined and is passed to `onThrow`, whose own failure is ignored.
 */
export function neverThrows<T extends object>(
  reporter: T,
  onThrow: (method: string, error: unknown) => void = () => undefined,
): T {
  const ignore = (method: PropertyKey, error: unknown): undefined => {
    try {
      onThrow(String(method), error);
    } catch {
      // The callback for failed reports has failed too: there is nowhere left to report to.
    }
    return undefined;
  };
  return new Proxy(reporter, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name, target);
      if (typeof method !== 'function') return method;
      return (...args: unknown[]): unknown => {
        try {
          const result: unknown = Reflect.apply(method, target, args);
          return result instanceof Promise ? result.catch((error: unknown) => ignore(name, error)) : result;
        } catch (error) {
          return ignore(name, error);
        }
      };
    },
  });
}
