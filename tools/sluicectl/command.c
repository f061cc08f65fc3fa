/* SPDX-License-Identifier: BSD-2-Clause */
#include "command.h"

#include <ctype.h>
#include <string.h>

const struct command commands[] = {
	{ "status",
	  "show",
	  { 0 },
	  NULL,
	  false,
	  "what is attached where and how, map occupancy, health, warnings",
	  print_status,
	  "sluicectl status" },
	{ "limit",
	  "list",
	  { 0 },
	  NULL,
	  false,
	  "limits of the kernel and what they did",
	  print_limits,
	  "sluicectl limit list" },
	{ "limit",
	  "show",
	  { "name", "?address" },
	  NULL,
	  false,
	  "one limit; with an address, what that source has left",
	  print_limit,
	  "sluicectl limit show default 192.0.2.7" },
	{ "limit",
	  "explain",
	  { "address", "?to" },
	  "dst port proto=tcp|udp|icmp kind=fragment|amplification|icmp|other_l4",
	  false,
	  "what the next packet of a source meets, to a vip, a port (udp/53), of a kind (icmp), or by "
	  "fields: lists, verdicts, each limit, what is left, when the next one passes; spends nothing",
	  print_explain,
	  "sluicectl limit explain 192.0.2.7 dst=203.0.113.10 port=443" },
	{ "limit",
	  "set",
	  { "name" },
	  "packets.rate packets.burst bytes.rate bytes.burst connections.rate connections.burst "
	  "total.packets.rate total.packets.burst total.bytes.rate total.bytes.burst "
	  "total.connections.rate total.connections.burst concurrent per=source|prefix rows dry_run=on|off",
	  true,
	  "change a limit in place; no bucket is reset: what a source has spent stays spent, so a "
	  "raised burst is that much more for each at once, and a lowered one that much less",
	  NULL,
	  "sluicectl limit set default packets.rate=200/s packets.burst=400" },
	{ "limit",
	  "rotate",
	  { 0 },
	  NULL,
	  true,
	  "change the secret key that spreads sources over the rows; sources get other cells with "
	  "what they have left, so nobody has a second burst",
	  NULL,
	  "sluicectl limit rotate" },
	{ "acl",
	  "list",
	  { "?list=allow|deny|feed" },
	  "from max",
	  false,
	  "allow and deny prefixes; feed: what is denied by import, by files and by places; at most "
	  "max= (1000), the next ones by from=",
	  print_acl,
	  "sluicectl acl list feed from=192.0.2.0/24 max=10000" },
	{ "acl",
	  "test",
	  { "address" },
	  NULL,
	  false,
	  "what the lists say of an address, and by which prefix",
	  print_acl_test,
	  "sluicectl acl test 198.51.100.7" },
	{ "acl",
	  "import",
	  { "list=deny", "file" },
	  "format=auto|lines|nft|csv column",
	  true,
	  "deny the prefixes of a file (-: of standard input) beside those that were imported before; "
	  "with --replace, instead of them; nothing changes where a line is wrong",
	  NULL,
	  "sluicectl acl import deny feed.txt --replace" },
	{ "acl",
	  "add",
	  { "list=allow|deny", "prefix" },
	  NULL,
	  true,
	  "add a prefix to allow or deny",
	  NULL,
	  "sluicectl acl add deny 198.51.100.0/24" },
	{ "acl",
	  "del",
	  { "list=allow|deny", "prefix" },
	  NULL,
	  true,
	  "remove a prefix",
	  NULL,
	  "sluicectl acl del deny 198.51.100.0/24" },
	{ "verdict",
	  "list",
	  { 0 },
	  NULL,
	  false,
	  "verdicts in force",
	  print_verdicts,
	  "sluicectl verdict list" },
	{ "verdict",
	  "add",
	  { "source" },
	  "ttl action=drop|drop_new dst proto=tcp|udp",
	  true,
	  "drop a source, or a flow (dst=, proto=), until ttl has passed; without ttl= it is 1m, and "
	  "what lasts longer already stays",
	  NULL,
	  "sluicectl verdict add 203.0.113.9 ttl=10m action=drop" },
	{ "verdict",
	  "del",
	  { "source" },
	  "dst proto=tcp|udp",
	  true,
	  "lift a verdict",
	  NULL,
	  "sluicectl verdict del 203.0.113.9" },
	{ "vip",
	  "list",
	  { 0 },
	  NULL,
	  false,
	  "what the kernel balances",
	  print_vips,
	  "sluicectl vip list" },
	{ "vip",
	  "show",
	  { "name" },
	  NULL,
	  false,
	  "one vip: of each backend its state, last error, weight now and configured, share of the "
	  "ring against that of the weights, packets",
	  print_vip,
	  "sluicectl vip show web" },
	{ "vip",
	  "set",
	  { "name" },
	  "limit",
	  true,
	  "change a vip",
	  NULL,
	  "sluicectl vip set web limit=per-client" },
	{ "backend",
	  "list",
	  { "?vip" },
	  NULL,
	  false,
	  "backends, their state and share",
	  print_backends,
	  "sluicectl backend list web" },
	{ "backend",
	  "set",
	  { "vip", "name" },
	  "weight",
	  true,
	  "change a backend; weight=0 takes it out of the ring",
	  NULL,
	  "sluicectl backend set web b1 weight=0" },
	{ "backend",
	  "drain",
	  { "vip", "name" },
	  "deadline",
	  true,
	  "give a backend no new flows from now on; draining until deadline= (5m) has passed and "
	  "drained after, also over restarts",
	  NULL,
	  "sluicectl backend drain web b1 deadline=10m" },
	{ "backend",
	  "undrain",
	  { "vip", "name" },
	  NULL,
	  true,
	  "give it its weight again",
	  NULL,
	  "sluicectl backend undrain web b1" },
	{ "flow",
	  "list",
	  { 0 },
	  "vip backend client n",
	  false,
	  "flows that the kernel knows one by one: those of mode nat, and those that were noted while "
	  "backends changed; of a vip=, a backend=, a client= (a prefix), at most n= (100) of them",
	  print_flows,
	  "sluicectl flow list vip=web client=198.51.100.0/24 n=1000" },
	{ "consumer",
	  "list",
	  { 0 },
	  NULL,
	  false,
	  "who may call, and by which plan",
	  print_consumers,
	  "sluicectl consumer list" },
	{ "consumer",
	  "add",
	  { "name" },
	  "plan key",
	  true,
	  "add a consumer; without key= one is made and shown once",
	  print_key,
	  "sluicectl consumer add bob plan=free" },
	{ "consumer",
	  "set",
	  { "name" },
	  "plan key",
	  true,
	  "change plan or key (key=new makes one)",
	  print_key,
	  "sluicectl consumer set bob plan=gold" },
	{ "consumer",
	  "del",
	  { "name" },
	  NULL,
	  true,
	  "remove a consumer",
	  NULL,
	  "sluicectl consumer del bob" },
	{ "plan",
	  "list",
	  { 0 },
	  NULL,
	  false,
	  "plans and their limits",
	  print_plans,
	  "sluicectl plan list" },
	{ "plan",
	  "set",
	  { "name" },
	  "LIMIT.rate LIMIT.burst",
	  true,
	  "change a limit of a plan; no bucket is reset",
	  NULL,
	  "sluicectl plan set free requests.rate=20/s" },
	{ "stats",
	  "show",
	  { 0 },
	  NULL,
	  false,
	  "counters of both halves",
	  print_stats,
	  "sluicectl stats" },
	{ "events",
	  "live",
	  { 0 },
	  NULL,
	  false,
	  "sampled drops and decisions as they happen",
	  print_event,
	  "sluicectl events" },
	{ "top",
	  "show",
	  { 0 },
	  "by=drops|bytes n every",
	  false,
	  "who has most packets dropped, or sends most bytes, over the last four seconds; on a terminal "
	  "again every two seconds, and with every= anywhere",
	  print_top,
	  "sluicectl top by=bytes n=10" },
	{ "capture",
	  "drops",
	  { "pcapng" },
	  "n reason timeout rate",
	  false,
	  "write the first 128 bytes of dropped packets to a file (- is standard output), with the reason as comment: "
	  "until n= (1000) or timeout= seconds (60), of each reason rate= a second (200), of "
	  "reason=a,b or of all",
	  NULL,
	  "sluicectl capture drops.pcapng reason=limit_packets n=100" },
	{ "explain",
	  "packet",
	  { "?source", "?destination", "?protocol=tcp|udp|icmp" },
	  "flags bytes ttl device frame",
	  false,
	  "what a packet from ADDRESS[:PORT] to ADDRESS:PORT would meet by now, stage by stage, and which "
	  "backend it would go to; nothing is counted, spent or sent; a SYN unless flags=ack,psh, of "
	  "bytes= in all, with ttl=, by device= (the first); or the frame itself, frame=HEX",
	  print_explained,
	  "sluicectl explain 198.51.100.7 203.0.113.10:443 tcp" },
	{ "config",
	  "show",
	  { 0 },
	  NULL,
	  false,
	  "the running configuration, defaults included",
	  print_config,
	  "sluicectl config show" },
	{ "config",
	  "check",
	  { "file" },
	  NULL,
	  false,
	  "check a file against the running agent and show what it would change",
	  NULL,
	  "sluicectl config check sluice.yaml" },
	{ "config",
	  "apply",
	  { "file" },
	  NULL,
	  true,
	  "check, diff and apply a file without closing a connection",
	  NULL,
	  "sluicectl config apply sluice.yaml --dry-run" },
	{ "detach",
	  "now",
	  { 0 },
	  NULL,
	  true,
	  "remove links and maps from the kernel",
	  NULL,
	  "sluicectl detach" },
	{ "upgrade",
	  "now",
	  { 0 },
	  NULL,
	  true,
	  "have the program on disk take over, connections and all",
	  NULL,
	  "sluicectl upgrade --dry-run" },
};

const size_t n_commands = sizeof(commands) / sizeof(commands[0]);

void command_synopsis(const struct command *c, FILE *out)
{
	fprintf(out, "%s %s", c->noun, c->verb);
	for (size_t i = 0; i < COMMAND_ARGS_MAX && c->args[i]; i++) {
		bool optional = c->args[i][0] == '?';
		const char *name = c->args[i] + optional, *values = strchr(name, '=');

		fprintf(out, optional ? " [" : " ");
		if (values)
			fputs(values + 1, out);
		for (const char *p = name; *p && !values; p++)
			fputc(toupper((unsigned char)*p), out);
		if (optional)
			fputc(']', out);
	}
	if (c->fields)
		fprintf(out, " FIELD=VALUE...");
}

bool command_has_field(const struct command *c, const char *field)
{
	const char *last = strrchr(field, '.');

	for (const char *p = c->fields; p && *p; p += strcspn(p, " "), p += *p == ' ') {
		size_t n = strcspn(p, " =");

		if (strlen(field) == n && !strncmp(field, p, n))
			return true;
		/* LIMIT.rate: any name before the point */
		if (!strncmp(p, "LIMIT.", 6) && last && last > field && strlen(last) == n - 5 &&
		    !strncmp(last, p + 5, n - 5))
			return true;
	}
	return false;
}

bool command_sends_file(const struct command *c)
{
	return !strcmp(c->noun, "acl") && !strcmp(c->verb, "import");
}

bool command_has_replace(const struct command *c)
{
	return command_sends_file(c) || (!strcmp(c->noun, "config") && !strcmp(c->verb, "apply"));
}

const struct command *command_find(const char *noun, const char *verb, bool *noun_known)
{
	*noun_known = false;
	for (size_t i = 0; i < n_commands; i++) {
		if (strcmp(commands[i].noun, noun) != 0)
			continue;
		*noun_known = true;
		/* A noun's first verb is what the noun alone means: "status", "stats", "limit". */
		if (!verb || !strcmp(commands[i].verb, verb))
			return &commands[i];
	}
	return NULL;
}

const struct command *command_only(const char *noun)
{
	const struct command *only = NULL;

	for (size_t i = 0; i < n_commands; i++) {
		if (strcmp(commands[i].noun, noun) != 0)
			continue;
		if (only)
			return NULL;
		only = &commands[i];
	}
	return only && (only->args[0] || only->fields) ? only : NULL;
}
