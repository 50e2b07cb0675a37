//! For editors: zls reads here where `sandloop` is, and completes it. `sandloop build` has its own command, in plugins.toml.

const std = @import("std");

pub fn build(b: *std.Build) void {
    const target = b.resolveTargetQuery(.{ .cpu_arch = .wasm32, .os_tag = .freestanding });
    const sandloop = b.createModule(.{ .root_source_file = b.path("sandloop/sandloop.zig"), .target = target, .optimize = .ReleaseSafe });
    const plugin = b.createModule(.{ .root_source_file = b.path("src/plugin.zig"), .target = target, .optimize = .ReleaseSafe });
    plugin.addImport("sandloop", sandloop);
    sandloop.addImport("plugin", plugin);
    const core = b.addExecutable(.{ .name = "{{name}}.core", .root_module = sandloop });
    core.entry = .disabled;
    core.rdynamic = true;
    core.stack_size = 65536;
    b.installArtifact(core);
    b.step("check", "Compiles the plugin").dependOn(&core.step);
}
