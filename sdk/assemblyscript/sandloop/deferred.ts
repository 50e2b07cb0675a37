import { id, numbered } from "./answers";
import { answer, isError } from "./memory";
import { nextTick } from "./reactor";
import { ErrorCode, describe } from "./types";

/** What became of an operation: its result, or in words why there is none. */
export class Outcome {
  constructor(
    /** Empty where there is an error. */
    public result: Uint8Array,
    /** Null where there is none. */
    public error: string | null,
  ) {}
}

/** What an operation answers. */
export class Answer {
  private constructor(public bytes: Uint8Array, public error: string | null) {}

  /** Its result. */
  static of(result: Uint8Array): Answer { return new Answer(result, null); }
  /** Its result, as text. */
  static text(result: string): Answer { return new Answer(Uint8Array.wrap(String.UTF8.encode(result)), null); }
  /** Why there is none. */
  static failure(error: string): Answer { return new Answer(new Uint8Array(0), error); }
}

const runs: ((argument: Uint8Array) => Answer)[] = [];

/**
 * Work that takes long, done off the loop: on a worker thread, in another sandbox of the same plugin. Nothing is shared with it.
 * For a constant of a file, since every sandbox must have the same ones in the same order: `const heavy = new Operation(argument => …)`.
 */
export class Operation {
  number: u32;

  constructor(run: (argument: Uint8Array) => Answer) {
    this.number = runs.length;
    runs.push(run);
  }

  /** Has a worker do the operation, and calls `then` with `context` and what became of it. */
  defer<T>(argument: Uint8Array, context: T, then: (context: T, outcome: Outcome) => void): void {
    hostDefer(this.number, argument.dataStart, argument.byteLength, answer);
    const code = numbered();
    const job = new JobOf<T>(context, then);
    if (code == ErrorCode.None) {
      jobs.set(id(), job);
    } else {
      job.outcome = new Outcome(new Uint8Array(0), describe(code));
      nextTick<Job>(job, (job) => { job.end(job.outcome!); });
    }
  }
}

abstract class Job {
  outcome: Outcome | null = null;
  abstract end(outcome: Outcome): void;
}

class JobOf<T> extends Job {
  constructor(public context: T, public then: (context: T, outcome: Outcome) => void) { super(); }
  end(outcome: Outcome): void { this.then(this.context, outcome); }
}

const jobs = new Map<u32, Job>();

export function completed(id: u32, outcome: Outcome): void {
  if (!jobs.has(id)) return;
  const job = jobs.get(id);
  jobs.delete(id);
  job.end(outcome);
}

/** Why there is no result, by the contract's number. */
export function failure(kind: u32): string {
  switch (kind) {
    case 1: return "the operation trapped; the log says where";
    case 2: return "the operation took too long: cpu_per_operation or operation_deadline in plugins.toml";
    case 3: return "the result is too large: limits.message in plugins.toml";
    default: return "no worker has room for the operation";
  }
}

export function run(operation: u32, argument: Uint8Array): Answer {
  if (<i32>operation >= runs.length) throw new Error("there is no operation " + operation.toString() + ": operations are constants of a file, which every sandbox has in the same order");
  return runs[operation](argument);
}

@external("sandloop:plugin/deferred@0.1.1", "defer")
declare function hostDefer(operation: u32, argument: usize, length: usize, to: usize): void;
