// What play.py is, for clients of JavaScript: node play.mjs PLAN.

const plan = JSON.parse(process.argv[2]);
const { Client } = await import(`./${plan.module}.mjs`);

async function play({ name, do: method, with: given, ...own }) {
  const { url, key, model } = { ...plan, ...own };
  try {
    return [name, await new Client(url, key, model)[method](...given)];
  } catch (error) {
    return [name, { error: error.constructor.name, message: error.message }];
  }
}

const saw = [];
for (const step of plan.steps) saw.push(await play(step));
console.log("\n" + JSON.stringify(Object.fromEntries(saw)));
