/**
 * A plugin that imports "sandloop/program" is a program, which the host starts whether or not it has connections; it needs
 * `isolation = "plugin"`. A class extends this one, and `run(new YourProgram())` in the main file says which.
 */
export class Program {
  /** Before the reactor runs, also in `sandloop check`: a place to read the options. A text stops the host's start. */
  prepare(): string | null { return null; }
  /** The reactor runs: make clients, timers, ticks. A text ends the sandbox and is logged. */
  start(): string | null { return null; }
  /** The reactor is about to stop. What is sent from here still goes out. */
  stopping(): void {}
  /** The last call. */
  stopped(): void {}
  /** This plugin is replaced: what the next version is to have, at most as much as a message may be; null where there is nothing. */
  save(): Uint8Array | null { return null; }
  /** What the version before has saved, between `prepare` and `start`. A text says why it cannot be taken: the plugin begins without. */
  restore(state: Uint8Array): string | null { return "this plugin has no use for a state: its Program has no restore"; }
}

let program: Program = new Program();

export function run(it: Program): void { program = it; }

export function running(): Program { return program; }
