// For workerd: the file comes in a request, the verdicts are the answer.

import { createVerifier } from "@keystone-auth/verifier";
import { createGate } from "@keystone-auth/verifier/policy";
import { judge } from "./judge.mjs";

export default {
  async fetch(request) {
    const told = await judge({ createGate, createVerifier }, await request.json()).catch((error) => ({ trouble: `${error.stack}` }));
    return Response.json(told);
  },
};
