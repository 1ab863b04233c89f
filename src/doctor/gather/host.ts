/** Facts about this host: files, users, processes, our unit. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { ownerOf } from "../../net/port-owner.ts";
import { readText } from "../../process/regular-file.ts";
import type { Account, HostFacts } from "../facts.ts";
import { fileFacts } from "./files.ts";
import { readUnit, unitTrouble } from "./unit.ts";

/** Never rejects. */
export async function gatherHost(packageDir: string, unitDirectories?: readonly string[]): Promise<HostFacts> {
  return {
    isRoot: process.getuid?.() === 0,
    unit: readUnit(unitDirectories),
    unitTrouble: await unitTrouble(),
    file: fileFacts,
    read: readText,
    user,
    groupId,
    owner: ownerOf,
    processes,
    packageDir,
  };
}

function user(name: string): Account | undefined {
  const [, , uid, gid] = fieldsOf("/etc/passwd", name) ?? [];
  return uid === undefined ? undefined : { name, uid: Number(uid), gid: Number(gid), groups: groupsOf(name) };
}

/** The groups that name a user as a member. */
function groupsOf(name: string): number[] {
  return (readText("/etc/group") ?? "").split("\n").flatMap((line) => {
    const [, , gid = "", members = ""] = line.split(":");
    return members.split(",").includes(name) ? [Number(gid)] : [];
  });
}

function groupId(name: string): number | undefined {
  const [, , gid] = fieldsOf("/etc/group", name) ?? [];
  return gid === undefined ? undefined : Number(gid);
}

/** The fields of a line of passwd(5) or group(5). */
function fieldsOf(file: string, name: string): string[] | undefined {
  const line = (readText(file) ?? "").split("\n").find((one) => one.startsWith(`${name}:`));
  return line?.split(":");
}

/** Processes of another network namespace, such as a container's, do not answer our Postfix. */
function processes(name: string): number[] {
  const network = networkOf("self");
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && commandOf(pid) === name && networkOf(pid) === network)
    .map(Number);
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "latin1").trim();
  } catch {
    // It has ended meanwhile.
    return "";
  }
}

/** The network namespace of a process; empty if it belongs to another user. */
function networkOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return "";
  }
}
