// AssemblyScript's functions do not capture, so that what is called later comes with its context.

/** Something that is called later. */
export abstract class Action {
  abstract run(): void;
}

export class ActionOf<T> extends Action {
  constructor(public context: T, public action: (context: T) => void) { super(); }
  run(): void { this.action(this.context); }
}

/** Something that is told bytes later. */
export abstract class BytesAction {
  abstract run(bytes: Uint8Array): void;
}

export class BytesActionOf<T> extends BytesAction {
  constructor(public context: T, public action: (context: T, bytes: Uint8Array) => void) { super(); }
  run(bytes: Uint8Array): void { this.action(this.context, bytes); }
}

/** Something that is told a number later: a reason, an error. */
export abstract class NumberAction {
  abstract run(number: i64): void;
}

export class NumberActionOf<T> extends NumberAction {
  constructor(public context: T, public action: (context: T, number: i64) => void) { super(); }
  run(number: i64): void { this.action(this.context, number); }
}
