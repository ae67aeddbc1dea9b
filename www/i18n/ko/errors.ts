/** Korean words per error code of the engine. */
import type { errors as english } from "../en/errors";

export const errors: Record<keyof typeof english, string> = {
  "error.json": "레시피가 올바른 JSON이 아닙니다: {found}",
  "error.unknown-field": "{path}에 모르는 항목 {found:이/가} 있습니다. 쓸 수 있는 것: {allowed}",
  "error.missing-field": "{path:이/가} 빠졌습니다. 쓸 수 있는 것: {allowed}",
  "error.type": "{path:은/는} {allowed:이어야/여야} 하는데 {found:이/가} 들어 있습니다",
  "error.range": "{path}의 값 {found:이/가} 허용 범위 {allowed:을/를} 벗어났습니다",
  "error.unknown-id": "{path}의 {found:은/는} 모르는 이름입니다. 쓸 수 있는 것: {allowed}",
  "error.combination": "{path}: 이 조합은 쓸 수 없습니다({found}). 가능한 것: {allowed}",
  "error.version": "{path:이/가} 버전 {found}입니다. 이 엔진은 버전 {allowed:을/를} 읽습니다",
  "error.asset": "{path} 파일을 불러오지 못했습니다({found})",
  "error.checksum": "{path} 파일의 내용이 원래와 다릅니다: {found}. 기대한 값: {allowed}",
  "error.internal": "엔진이 멈췄습니다: {found}",
  "error.unsupported":
    "이 브라우저에는 엔진에 필요한 기능이 없습니다({found}). Safari 16.4, Chrome 91, Firefox 89 이상이면 됩니다",
  "error.unknown": "{found}",
};
