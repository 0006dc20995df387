// POST /access/v1/preview: a change before it is made.
import { operation } from '../../api/operation.ts'
import { type Api, json } from '../../api.ts'
import { previewAnswer, previewChange, previewRequest } from './preview.ts'

export function previewOperations(api: Api): void {
  operation(api, {
    id: 'previewAccess',
    at: 'POST /access/v1/preview',
    summary: 'Who would gain and lose which topics by a change, and whose token would not fit',
    scope: 'access:read',
    isWithinReach: true,
    body: previewRequest,
    answers: { 200: json(previewAnswer, 'The differences') },
    run: async (c, { body }) => c.json(await previewChange(c.var.cx, body), 200),
  })
}
