// openai-node.

import OpenAI from "openai";

const user = (content) => ({ role: "user", content });

export class Client {
  constructor(url, key, model) {
    this.client = new OpenAI({ baseURL: url, apiKey: key });
    this.model = model;
  }

  create(messages, fields = {}) {
    return this.client.chat.completions.create({ model: this.model, messages, ...fields });
  }

  async models() {
    const names = [];
    for await (const model of this.client.models.list()) names.push(model.id);
    return names;
  }

  async ask(question) {
    const told = await this.create([user(question)]);
    return { text: told.choices[0].message.content, tokens: told.usage.total_tokens };
  }

  async stream(question) {
    const pieces = [];
    for await (const chunk of await this.create([user(question)], { stream: true }))
      pieces.push(chunk.choices[0]?.delta.content ?? "");
    return pieces;
  }

  async use_tools(question, given) {
    const called = [];
    const made = ({ function: shape }) => {
      const run = (args) => called.push([shape.name, args]) && `${shape.name}: done`;
      return { type: "function", function: { ...shape, function: run, parse: JSON.parse } };
    };
    const fields = { stream: true, stream_options: { include_usage: true }, tools: given.map(made) };
    const runner = this.client.chat.completions.runTools({ model: this.model, messages: [user(question)], ...fields });
    const text = await runner.finalContent();
    return { called, text, tokens: (await runner.totalUsage()).total_tokens };
  }

  async talk(...questions) {
    const spoken = [];
    for (const question of questions) {
      spoken.push(user(question));
      spoken.push((await this.create(spoken)).choices[0].message);
    }
    return spoken.filter(({ role }) => role === "assistant").map(({ content }) => content);
  }

  async leave(question) {
    // Breaking out of the loop ends the request.
    for await (const chunk of await this.create([user(question)], { stream: true }))
      if (chunk.choices[0].delta.content) return chunk.choices[0].delta.content;
  }
}
