// openai-node's responses: asked for, kept, fetched, followed, cancelled, deleted.

import OpenAI from "openai";
import { setTimeout } from "node:timers/promises";

const user = (content) => ({ role: "user", content });
const flat = ({ function: shape }) => ({ type: "function", ...shape });

export class Client {
  constructor(url, key, model) {
    this.client = new OpenAI({ baseURL: url, apiKey: key });
    this.model = model;
  }

  create(input, fields = {}) {
    return this.client.responses.create({ model: this.model, input, ...fields });
  }

  async ask(question) {
    const { output_text, usage } = await this.create(question);
    return { text: output_text, tokens: usage.total_tokens };
  }

  async stream(question) {
    return await deltas(await this.create(question, { stream: true }));
  }

  async use_tools(question, given) {
    const fields = { tools: given.map(flat) };
    const called = [];
    let told = await this.create(question, fields);
    let tokens = told.usage.total_tokens;
    for (;;) {
      const calls = told.output.filter(({ type }) => type === "function_call");
      if (!calls.length) return { called, text: told.output_text, tokens };
      for (const { name, arguments: text } of calls) called.push([name, JSON.parse(text)]);
      const results = calls.map(({ call_id, name }) => ({ type: "function_call_output", call_id, output: `${name}: done` }));
      told = await this.create(results, { ...fields, previous_response_id: told.id });
      tokens += told.usage.total_tokens;
    }
  }

  async talk(...questions) {
    const spoken = [];
    const said = [];
    for (const question of questions) {
      spoken.push(user(question));
      const told = await this.create(spoken);
      spoken.push(...told.output);
      said.push(told.output_text);
    }
    return said;
  }

  async leave(question) {
    // Breaking out of the loop ends the request.
    for await (const event of await this.create(question, { stream: true }))
      if (event.type === "response.output_text.delta") return event.delta;
  }

  async accumulate(question) {
    const events = this.client.responses.stream({ model: this.model, input: question });
    return told(await deltas(events), await events.finalResponse());
  }

  async wait(question) {
    const first = await this.create(question, { background: true });
    let last = first;
    while (["queued", "in_progress"].includes(last.status)) {
      await setTimeout(50);
      last = await this.client.responses.retrieve(first.id);
    }
    return { was: first.status, is: last.status, ...told([], last) };
  }

  async rejoin(question) {
    // Leave a response in the middle of its text, and be told the rest in two ways.
    let id, last;
    for await (last of await this.create(question, { stream: true, background: true })) {
      id ??= last.response.id;
      if (last.type === "response.output_text.delta") break;
    }
    const place = { starting_after: last.sequence_number };
    const raw = await deltas(await this.client.responses.retrieve(id, { stream: true, ...place }));
    const events = this.client.responses.stream({ response_id: id, ...place });
    const helped = await deltas(events);
    const whole = told([last.delta, ...raw], await events.finalResponse());
    return { ...whole, begun: last.delta, helped: helped.join("") };
  }

  async cancel(question) {
    const { id, status } = await this.create(question, { background: true });
    const { responses } = this.client;
    return [status, (await responses.cancel(id)).status, (await responses.retrieve(id)).status];
  }

  async delete(question) {
    const { id } = await this.create(question);
    await this.client.responses.delete(id);
    return await this.client.responses.retrieve(id).catch((error) => error.message);
  }

  async items(...texts) {
    const parts = texts.map((text) => ({ role: "user", content: [{ type: "input_text", text }] }));
    const { id } = await this.create(parts, { instructions: "Be brief." });
    const said = [];
    for await (const item of this.client.responses.inputItems.list(id, { order: "asc", limit: 1 }))
      said.push(item.content[0].text);
    return said;
  }
}

async function deltas(events) {
  const pieces = [];
  for await (const event of events) if (event.type === "response.output_text.delta") pieces.push(event.delta);
  return pieces;
}

function told(heard, { output_text: text, usage }) {
  return { heard: heard.join(""), text, tokens: usage.total_tokens };
}
