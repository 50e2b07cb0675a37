// What the host calls of a program. The transform gives each function the name above it.
import { resultOf, someBytes } from "./exports";
import { takeBytes } from "./memory";
import { running } from "./program";

const nothing = new Uint8Array(0);

// exports sandloop:plugin/lifecycle@0.1.1#prepare
export function prepare(): usize { return resultOf(nothing, running().prepare()); }

// exports sandloop:plugin/lifecycle@0.1.1#start
export function start(): usize { return resultOf(nothing, running().start()); }

// exports sandloop:plugin/lifecycle@0.1.1#stopping
export function stopping(): void { running().stopping(); }

// exports sandloop:plugin/lifecycle@0.1.1#stopped
export function stopped(): void { running().stopped(); }

// exports sandloop:plugin/handover-handler@0.1.1#save
export function save(): usize { return someBytes(running().save()); }

// exports sandloop:plugin/handover-handler@0.1.1#restore
export function restore(state: usize, length: usize): usize { return resultOf(nothing, running().restore(takeBytes(state, length))); }
