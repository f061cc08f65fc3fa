// SPDX-License-Identifier: BSD-2-Clause
// What the llhttp inside of this Node makes of cases; see case.h.
'use strict';
const fs = require('fs');
const { HTTPParser, methods, allMethods } = process.binding('http_parser');

const names = allMethods || methods;
const hex = (parts) => Buffer.concat(parts).toString('hex');
const trimmed = (text) => text.replace(/[ \t]+$/, '');

function transcript(kind, data) {
	const out = [];
	let body = [];
	let fields = [];
	let url = '';
	const parser = new HTTPParser();

	parser.initialize(kind === 's' ? HTTPParser.RESPONSE : HTTPParser.REQUEST, {}, 1 << 20, 0);
	// Heads with many fields come in several parts, the last one empty-handed.
	parser[HTTPParser.kOnHeaders] = (more, target) => {
		fields = fields.concat(more);
		url += target || '';
	};
	parser[HTTPParser.kOnHeadersComplete] = (major, minor, list, method, target, status, reason,
		upgrade, keep) => {
		const all = list || fields;
		const first = kind === 's' ? status : `${names[method]} ${target || url}`;
		let text = `${first} ${major}.${minor}\n${keep ? 'keep' : 'close'}\n`;

		for (let i = 0; i < all.length; i += 2)
			text += `${all[i]}: ${trimmed(all[i + 1])}\n`;
		out.push('H:' + hex([Buffer.from(text, 'latin1')]));
		body = [];
		fields = [];
		url = '';
		return 0;
	};
	parser[HTTPParser.kOnBody] = (chunk, start, length) => {
		body.push(start === undefined ? Buffer.from(chunk) :
			Buffer.from(chunk.subarray(start, start + length)));
	};
	parser[HTTPParser.kOnMessageComplete] = () => {
		out.push('B:' + hex(body));
		// Trailers came as another part of a head.
		fields = [];
		url = '';
	};
	const result = data.length ? parser.execute(data) : 0;

	if (result instanceof Error)
		out.push('error:' + result.code);
	else if (result < data.length)
		out.push('upgrade');
	else
		out.push(parser.finish() instanceof Error ? 'more' : 'end');
	parser.close();
	return out.join(' ');
}

const input = fs.readFileSync(0);
const lines = [];

for (let at = 0; at < input.length;) {
	const len = input.readUInt32LE(at);

	lines.push(transcript(String.fromCharCode(input[at + 4]), input.subarray(at + 5, at + 5 + len)));
	at += 5 + len;
}
fs.writeSync(1, lines.join('\n') + '\n');
